"""The metadata file of a source: licence and origin of its files, one JSON line each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError

MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the metadata say about one file; empty where they say nothing."""

    licence: str = ""
    origin: str = ""


def read_sidecar(path: Path) -> dict[str, FileFacts]:
    """Returns the facts by relative path. Fields other than `path`, `licence` and `origin` are ignored.

    Raises:
        ConfigError: The file is missing, or lines of it cannot be understood; every such line is listed.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise ConfigError(
            f"the metadata file cannot be read: {error.strerror}",
            where=str(path),
            hint="write the file, or leave `metadata` out and set `licence`",
        ) from None
    facts: dict[str, FileFacts] = {}
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            faults.append(f"line {number}: not JSON in UTF-8 ({error})")
            continue
        wanted = {key: values.get(key) or "" for key in ("path", "licence", "origin")} if type(values) is dict else {}
        if not wanted.get("path") or not all(type(value) is str for value in wanted.values()):
            faults.append(f"line {number}: needs `path`, and `licence` and `origin` as texts")
        elif wanted["path"] in facts:
            faults.append(f"line {number}: a second line about {wanted['path']}")
        else:
            facts[wanted["path"]] = FileFacts(wanted["licence"], wanted["origin"])
    if faults:
        more = [f"and {len(faults) - MAX_SHOWN} more"] if len(faults) > MAX_SHOWN else []
        raise ConfigError(
            "the metadata file has bad lines",
            where=str(path),
            details=faults[:MAX_SHOWN] + more,
            hint='each line must be like {"path": "a/b.txt", "licence": "MIT", "origin": "a package 1.0"}',
        )
    return facts
