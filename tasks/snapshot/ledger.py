"""The list of files, with the date on which each was first seen: the one thing that a snapshot remembers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.engine.stage import Context, InputOutput

LEDGER = "files.jsonl"

Locator = tuple[str, str]
"""A source's name and a path in it."""


def write_ledger(context: Context) -> None:
    """Writes the output `files` and reports what is new, changed and gone since the previous snapshot."""
    before = {} if context.predecessor is None else read_ledger(context.predecessor["files"])
    rows = list(ledger_rows(context.look, context.config.sources, before, context.date))
    path = context.folder / LEDGER
    write_rows(path, rows)
    context.add("files", LEDGER, path, rows=len(rows))
    for name, seen in context.look.items():
        for skipped in seen["skipped"]:
            context.warn(f"{name}/{skipped}")
        if not seen["files"]:
            context.warn(f"the source {name!r} holds no file that can be read")
    now = {(row["source"], row["path"]): row["sha256"] for row in rows}
    context.report(
        rows_in=len(rows),
        rows_out=len(rows),
        bytes=sum(row["size"] for row in rows),
        files={name: len(seen["files"]) for name, seen in context.look.items()},
        new=sum(locator not in before for locator in now),
        changed=sum(locator in before and before[locator]["sha256"] != sha256 for locator, sha256 in now.items()),
        removed=sum(locator not in now for locator in before),
    )


def ledger_rows(
    detail: Mapping[str, Any], sources: Mapping[str, Any], before: Mapping[Locator, Mapping[str, Any]], date: str
) -> Iterator[dict[str, Any]]:
    """Yields the rows sorted by (source, path); a file that was there before keeps its date, changed or not."""
    for source, seen in sorted(detail.items()):
        for path, sha256, size, licence, origin, format in seen["files"]:
            known = before.get((source, path))
            yield {
                "source": source,
                "path": path,
                "sha256": sha256,
                "size": size,
                "licence": licence,
                "origin": origin,
                "language": sources[source].language or "",
                "format": format,
                "first_seen": known["first_seen"] if known else date,
            }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes canonical JSON lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")


def read_ledger(output: InputOutput) -> dict[Locator, dict[str, Any]]:
    """Returns the rows of an earlier snapshot by locator."""
    rows: dict[Locator, dict[str, Any]] = {}
    for stored in output.files:
        with stored.path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                rows[row["source"], row["path"]] = row
    return rows
