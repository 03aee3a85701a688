"""The list of files, with the date on which each was first seen: the one thing that a snapshot remembers.

What is accumulated is remembered here too: a file that left its source keeps its row, and its bytes are in the store.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from schemas.config.source import AnySource, RemoteSource
from schemas.config.sources import FilesSource
from schemas.errors import DamagedArtifact, StageFailed
from schemas.ledger import LedgerRow
from tasks.engine.stage import Context, InputOutput, StoredFile

LEDGER = "files.jsonl"
LOST = "lost"

Locator = tuple[str, str]
"""A source's name and a path in it."""


def write_ledger(context: Context) -> None:
    """Writes the output `files` and reports what is new, changed and gone since the previous snapshot."""
    before = {} if context.predecessor is None else read_ledger(context.predecessor["files"])
    rows = [
        row
        for name, source in sorted(context.config.sources.items())
        for row in _rows_of(name, source, context, before)
    ]
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
        files=dict(sorted(Counter(row["source"] for row in rows).items())),
        new=sum(locator not in before for locator in now),
        changed=sum(locator in before and before[locator]["sha256"] != sha256 for locator, sha256 in now.items()),
        removed=sum(locator not in now for locator in before),
        accumulated=sum(len(_left(name, context, before)) for name in context.look),
        set_aside=dict(sorted(Counter(row["fault"] for row in rows if row["fault"]).items())),
    )


def _rows_of(name: str, source: AnySource, context: Context, before: Mapping[Locator, LedgerRow]) -> list[LedgerRow]:
    """One source's rows, sorted by path."""
    stored = isinstance(source, RemoteSource)
    rows = {row["path"]: row for row in _present(name, source, context, before, stored)}
    if source.mode == "accumulate":
        if isinstance(source, FilesSource):
            _keep_bytes(source, rows, context, before)
        rows |= {path: _still_there(row, context) for path, row in _left(name, context, before).items()}
    return [rows[path] for path in sorted(rows)]


def _present(
    name: str, source: AnySource, context: Context, before: Mapping[Locator, LedgerRow], stored: bool
) -> Iterator[LedgerRow]:
    """What the look found; a file that was there before keeps its date, changed or not."""
    for path, sha256, size, licence, origin, format, fault in context.look[name]["files"]:
        known = before.get((name, path))
        yield {
            "source": name,
            "path": path,
            "sha256": sha256,
            "size": size,
            "licence": licence,
            "origin": origin,
            "language": source.language or "",
            "format": format,
            "first_seen": known["first_seen"] if known else context.date,
            "last_changed": known["last_changed"] if known and known["sha256"] == sha256 else context.date,
            "stored": stored and not fault,
            "fault": fault,
        }


def _left(name: str, context: Context, before: Mapping[Locator, LedgerRow]) -> dict[str, LedgerRow]:
    """The rows of an accumulating source that it no longer has, or can no longer read, by path."""
    if context.config.sources[name].mode != "accumulate":
        return {}
    present = {row[0] for row in context.look[name]["files"] if not row[6]}
    return {
        path: row
        for (source, path), row in before.items()
        if source == name and path not in present and (row["stored"] or row["fault"] == LOST)
    }


def _still_there(row: LedgerRow, context: Context) -> LedgerRow:
    """A row of a file that left: its bytes are nowhere else, so if the store lost them they are lost."""
    if row["fault"] == LOST or _is_kept(row, context):
        return row
    context.warn(f"{row['source']}/{row['path']}: it left its source, and its bytes are gone from the store")
    return {**row, "sha256": "", "size": 0, "stored": False, "fault": LOST}


def _keep_bytes(
    source: FilesSource, rows: dict[str, LedgerRow], context: Context, before: Mapping[Locator, LedgerRow]
) -> None:
    """Copies the files of an accumulating folder into the store, those that are new or changed."""
    folder = source.path.parent if source.path.is_file() else source.path
    waiting = []
    for row in rows.values():
        if row["fault"]:
            continue
        known = before.get((row["source"], row["path"]))
        same = known is not None and known["stored"] and known["sha256"] == row["sha256"]
        if not (same and _is_kept(row, context)):
            waiting.append(row)
        row["stored"] = True
    for number, row in enumerate(waiting):
        locator = f"{row['source']}/{row['path']}"
        copy = context.folder / "copy"
        try:
            shutil.copyfile(folder / row["path"], copy)
        except (FileNotFoundError, PermissionError) as error:
            raise _changed(locator, error.strerror or str(error)) from None
        if context.keep(copy).digest != row["sha256"]:
            raise _changed(locator, "its bytes differ")
        copy.unlink()
        context.progress(number + 1, len(waiting), "files")


def _is_kept(row: LedgerRow, context: Context) -> bool:
    try:
        context.path(StoredFile(row["path"], row["sha256"], row["size"]))
    except DamagedArtifact:
        return False
    return True


def _changed(locator: str, why: str) -> StageFailed:
    return StageFailed(f"the file changed since it was looked at ({why})", where=locator, hint="run again")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes canonical JSON lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")


def read_ledger(output: InputOutput) -> dict[Locator, LedgerRow]:
    """Returns the rows of an earlier snapshot by locator."""
    rows: dict[Locator, LedgerRow] = {}
    for stored in output.files:
        with stored.path.open("rb") as file:
            for line in file:
                # Names of fields are the same objects in every row, as they are not with `json`: a third of the memory.
                row: LedgerRow = orjson.loads(line)
                # A ledger outlives the code that wrote it.
                row.setdefault("last_changed", row["first_seen"])
                rows[row["source"], row["path"]] = row
    return rows
