"""Files to parts: groups of neighbours that a new, changed or removed file leaves nearly all alone.

A part holds files of one source that were first seen on one date. So what a night brings becomes parts of its own,
wherever among the older files it lies; only a file that changed or vanished has its part read again.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from schemas.config.collect import CollectConfig
from schemas.config.sources import FilesSource
from schemas.errors import StageFailed
from schemas.ledger import LedgerRow
from tasks.engine.boundaries import cut
from tasks.engine.stage import InputFile, Part, StoredFile

FILE_COST_BYTES = 1024
"""Opening a file costs about as much as reading a kilobyte more: parts of tiny files stay small as well."""

NAME_DIGITS = 16


_WANTED = frozenset(("source", "path", "sha256", "size", "licence", "origin", "format", "first_seen", "fault"))
"""Fields of a ledger's row that a part is told."""


class File(NamedTuple):
    """A file of the snapshot, as planning needs it. There may be millions: its row stays a line of JSON.

    Attributes:
        first_seen: Date of the snapshot in which it appeared.
        source: Name of its source.
        path: In it.
        size: Bytes.
        stored: Digest of its bytes if they are an object of the store; else empty.
        line: What its part is told of it, as JSON.
    """

    first_seen: str
    source: str
    path: str
    size: int
    stored: str
    line: str


def read_files(ledger: Path) -> list[File]:
    """Returns a ledger's files, which are sorted by (source, path)."""
    with ledger.open("rb") as file:
        return [_file(orjson.loads(line)) for line in file]


def _file(row: LedgerRow) -> File:
    told = {field: value for field, value in row.items() if field in _WANTED}
    return File(
        sys.intern(row["first_seen"]),  # one of few, kept for every file
        sys.intern(row["source"]),
        row["path"],
        row["size"],
        row["sha256"] if row["stored"] else "",
        orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode(),
    )


def plan_parts(
    files: Sequence[File], config: CollectConfig, stored_file: Callable[[StoredFile], InputFile]
) -> list[Part]:
    """Returns the parts from the first night to the last, inside a night in locator order.

    A part is named after the date and its first file, so the names of all others stay when one is added or vanishes,
    and those of a night come last: later stages find what is new side by side. Its parameters are its files and how
    their source is read; where the source lies is execution. Files whose bytes are in the store are the part's own
    files.
    """
    nights = itertools.groupby(sorted(files, key=_night), key=_night)
    groups = [
        group
        for _, night in nights
        for group in cut(list(night), key=_locator, weight=_weight, target=config.part_bytes)
    ]
    return [_part(group, config, stored_file) for group in groups]


def _night(file: File) -> tuple[str, str]:
    return file.first_seen, file.source


def _weight(file: File) -> int:
    return file.size + FILE_COST_BYTES


def _part(files: list[File], config: CollectConfig, stored_file: Callable[[StoredFile], InputFile]) -> Part:
    sources = {}
    for name in {file.source for file in files}:
        if name not in config.sources:
            raise StageFailed(
                f"the snapshot holds the source {name!r}, which collect is not told how to read",
                hint="`collect.sources` is filled in from `snapshot.sources`; do not set it by hand",
            )
        sources[name] = config.sources[name]
    stored = {file.stored: file.size for file in files if file.stored}
    return Part(
        name=f"{files[0].first_seen}-{hashlib.sha256(_locator(files[0]).encode()).hexdigest()[:NAME_DIGITS]}",
        # Named by digest: which file of which source they are is told by the parameters.
        files=[stored_file(StoredFile(digest, digest, size)) for digest, size in stored.items()],
        parameters={
            # As lines: a file's origin may look like a path, which a key would refuse as a field of its own.
            "files": [file.line for file in files],
            "sources": {name: source.reading() for name, source in sources.items()},
        },
        execution={
            "folders": {
                name: str(_folder(source)) for name, source in sources.items() if isinstance(source, FilesSource)
            }
        },
        bytes_elsewhere=sum(file.size for file in files if not file.stored),
    )


def sources_of(part: Part) -> set[str]:
    """Returns the names of the sources whose files a part reads."""
    return set(part.parameters["sources"])


def _locator(file: File) -> str:
    return f"{file.source}\0{file.path}"


def _folder(source: FilesSource) -> Path:
    return source.path.parent if source.path.is_file() else source.path
