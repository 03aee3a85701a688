"""What the sources hold right now. Part of every plan: no file is read whose digest is remembered.

5,000 small files in 50 folders: 68 ms of CPU with a warm cache, 260 ms with none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from schemas.config.snapshot import SnapshotConfig
from schemas.config.sources import FilesSource
from schemas.errors import ConfigError
from tasks.engine.stage import Look, StatCache
from tasks.readers.formats import format_of
from tasks.snapshot.sidecar import FileFacts, read_sidecar
from tasks.snapshot.walk import Walk, matches, walk

UNREADABLE = ""
"""In place of the digest of a file that cannot be read: `collect` counts it as bad input."""


def look(config: SnapshotConfig, stat_cache: StatCache) -> Look:
    """Lists the files of every source.

    Returns:
        `identity`: a digest for each source. `detail`: for each source its `files`, rows of [path, sha256, size,
        licence, origin, format] sorted by path, and what was `skipped`.

    Raises:
        ConfigError: A source's folder or metadata cannot be used; all of them are listed.
    """
    detail: dict[str, Any] = {}
    faults: list[ConfigError] = []
    for name, source in sorted(config.sources.items()):
        try:
            detail[name] = _look_at(name, source, stat_cache)
        except ConfigError as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ConfigError(
            f"{len(faults)} sources cannot be used",
            details=[f"{fault.where}: {fault.message}" for fault in faults],
            hint=faults[0].hint,
        )
    return Look({name: _digest(seen) for name, seen in detail.items()}, detail)


def _look_at(name: str, source: FilesSource, stat_cache: StatCache) -> dict[str, Any]:
    root = source.path
    if root.is_dir():
        found = walk(root)
        paths = [path for path in found.files if path != source.metadata and matches(path, source.glob)]
    elif root.is_file():
        found = Walk()
        root, paths = root.parent, [root.name]
    else:
        raise ConfigError(
            f"the source {name!r} is not there",
            where=str(root),
            hint=f"set `path` of the source {name!r} to a folder or a file; it is relative to the configuration file",
        )
    facts = read_sidecar(root / source.metadata) if source.metadata else {}
    nothing = FileFacts()
    rows = []
    for path in paths:
        format = format_of(path) if source.format == "auto" else source.format
        if format is None:
            continue
        sha256, size = _digest_of(root / path, stat_cache)
        fact = facts.get(path, nothing)
        rows.append(
            [path, sha256, size, fact.licence or source.licence or "", fact.origin or source.origin or name, format]
        )
    return {"files": rows, "skipped": found.skipped}


def _digest_of(path: Path, stat_cache: StatCache) -> tuple[str, int]:
    try:
        return stat_cache.digest(path), path.stat().st_size
    except OSError:
        return UNREADABLE, 0


def _digest(seen: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
