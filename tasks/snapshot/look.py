"""What the sources hold right now. Part of every plan: no file is read whose digest is remembered.

Folders are walked; of remote sources only what their last look left in the store is read. 5,000 small files in 50
folders: 68 ms of CPU with a warm cache, 260 ms with none.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from schemas.config.snapshot import SnapshotConfig
from schemas.config.source import AnySource, RemoteSource
from schemas.config.sources import FilesSource
from schemas.errors import ConfigError
from tasks.engine.stage import Look, Sight, StatCache
from tasks.fetch.globs import matches
from tasks.fetch.record import Seen
from tasks.fetch.verdict import Verdict, judge
from tasks.readers.formats import format_of
from tasks.snapshot.sidecar import FileFacts, read_sidecar
from tasks.snapshot.walk import Walk, walk

UNREADABLE = ""
"""In place of the digest of a file that cannot be had: `collect` counts it as bad input."""


def look(config: SnapshotConfig, sight: Sight) -> Look:
    """Lists the files of every source.

    Returns:
        `identity`: a digest for each source. `detail`: for each source its `files`, rows of [path, sha256, size,
        licence, origin, format, fault] sorted by path, and what was `skipped`.

    Raises:
        ConfigError: A source's folder or metadata cannot be used; all of them are listed.
    """
    detail: dict[str, Any] = {}
    faults: list[ConfigError] = []
    verdicts: list[Verdict] = []
    warnings: list[str] = []
    for name, source in sorted(config.sources.items()):
        try:
            if isinstance(source, RemoteSource):
                verdict = judge(name, source, sight)
                verdicts.append(verdict)
                if verdict.seen is not None:
                    detail[name] = _remembered(name, source, verdict.seen)
                    warnings += [verdict.warning] if verdict.warning else []
                    warnings += _standing(name, verdict.seen)
            elif isinstance(source, FilesSource):
                detail[name] = _look_at(name, source, sight)
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
    due = [verdict.due for verdict in verdicts if verdict.due]
    held = [verdict for verdict in verdicts if verdict.held]
    if due or held:
        hint = held[0].hint if held else "run snapshot too: it looks at what is due"
        reasons = "; ".join(verdict.held for verdict in held)
        return Look(None, None, "" if held else "; ".join(due), reasons, hint, tuple(warnings))
    return Look({name: _digest(seen) for name, seen in detail.items()}, detail, warnings=tuple(warnings))


def _look_at(name: str, source: FilesSource, stat_cache: StatCache) -> dict[str, Any]:
    root = source.path
    if root.is_dir():
        found = walk(root, follow_links=source.follow_links)
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
        fault = "" if sha256 else "unreadable"
        rows.append(
            [
                path,
                sha256,
                size,
                fact.licence or source.licence or "",
                fact.origin or _origin(source, name),
                format,
                fault,
            ]
        )
    for path in found.outside:
        chosen = matches(path, source.glob) and (source.format != "auto" or format_of(path) is not None)
        if path.endswith("/") or chosen:
            rows.append(_set_aside(path.rstrip("/"), source, name, "link_outside"))
    return {"files": sorted(rows), "skipped": found.skipped}


def _remembered(name: str, source: RemoteSource, seen: Seen) -> dict[str, Any]:
    """What a remote source held when it was last looked at, as if it were a folder."""
    rows = [
        [
            item.path,
            item.sha256,
            item.size,
            source.licence or "",
            _origin(source, source.origin_of(item.url) or name),
            item.format,
            "",
        ]
        for item in seen.items
    ]
    had = {item.path for item in seen.items}
    rows += [
        _set_aside(failure.path, source, source.origin_of(failure.url) or name, failure.reason)
        for failure in seen.failures
        if failure.path not in had
    ]
    return {"files": sorted(rows), "skipped": []}


def _standing(name: str, seen: Seen) -> list[str]:
    """Says which files are older than the last look. No part of what is built: it is the same bytes."""
    had = {item.path for item in seen.items}
    reasons = Counter(failure.reason for failure in seen.failures if failure.path in had)
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return [f"{name}: {reasons.total()} files could not be had; what they held before stands ({told})"] if told else []


def _set_aside(path: str, source: AnySource, origin: str, fault: str) -> list[Any]:
    return [path, UNREADABLE, 0, source.licence or "", _origin(source, origin), "", fault]


def _origin(source: AnySource, otherwise: str) -> str:
    return source.origin or otherwise


def _digest_of(path: Path, stat_cache: StatCache) -> tuple[str, int]:
    try:
        return stat_cache.digest(path), path.stat().st_size
    except OSError:
        return UNREADABLE, 0


def _digest(seen: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
