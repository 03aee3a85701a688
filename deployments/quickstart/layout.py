"""How the quickstart's folder is written: aside, then swapped in, with a stamp that says what it was made from.

Killed anywhere, the folder is the old one or the new one, whole. Files whose bytes did not change keep their
modification time, so that caches keyed by it stay warm.
"""

from __future__ import annotations

import fcntl
import filecmp
import gzip
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError

STAMP = "stamp.json"
SIDECAR = "metadata.jsonl"
"""In a folder of plain files: one line per file with its licence and origin."""


HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A document in a file of records; `name` says where in its distribution it stands."""

    text: str
    licence: str
    origin: str
    name: str
    language: str


@dataclass(frozen=True, slots=True, order=True)
class PlainFile:
    """A document that is a file: its bytes as they were found."""

    source: str
    name: str
    content: bytes
    licence: str
    origin: str


@dataclass(slots=True)
class Count:
    """What one source holds in one language."""

    documents: int = 0
    characters: int = 0
    han: int = 0
    bytes: int = 0

    def add(self, text: str) -> None:
        """Counts a document."""
        self.documents += 1
        self.characters += len(text)
        self.han += han_characters(text)
        self.bytes += len(text.encode("utf-8", "replace"))


@dataclass(slots=True)
class Layout:
    """Writes the sources into a folder and counts what they hold, by source and language."""

    folder: Path
    counts: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))

    def records(self, name: str, records: Iterable[Record]) -> None:
        """Writes records, sorted by name, as `.jsonl`, `.jsonl.gz` or `.parquet`; no records, no file."""
        rows = sorted(records, key=lambda record: (record.name, record.text))
        if not rows:
            return
        for record in rows:
            self.counts[name.partition("/")[0], record.language].add(record.text)
        self._write(name, [asdict(record) for record in rows])

    def examples(self, name: str, rows: list[dict[str, str]]) -> None:
        """Writes a labelled set in the order given."""
        for row in rows:
            self.counts[name, row["language"]].add(row["input"] + row["target"])
        self._write(name, rows)

    def files(self, files: Iterable[PlainFile]) -> None:
        """Writes plain files and, for each source, the sidecar that names their licences and origins."""
        sidecars: dict[str, list[dict[str, str]]] = defaultdict(list)
        for file in sorted(files):
            path = self.folder / file.source / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            sidecars[file.source].append({"path": file.name, "licence": file.licence, "origin": file.origin})
            text = file.content.decode("utf-8", "replace")
            self.counts[file.source, "zh" if is_mostly_chinese(text) else "en"].add(text)
        for source, rows in sidecars.items():
            self._write(f"{source}/{SIDECAR}", rows)

    def totals(self, language: str) -> int:
        """Adds up the corpus's characters in a language (Chinese: Han characters); labelled sets do not count."""
        found = (count for (source, code), count in self.counts.items() if code == language and "/" not in source)
        return sum(count.han if language == "zh" else count.characters for count in found)

    def _write(self, name: str, rows: list[dict[str, str]]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            _write_parquet(path, rows)
            return
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0) if name.endswith(".gz") else content)


def han_characters(text: str) -> int:
    """Counts Han characters."""
    return len(HAN.findall(text))


def is_mostly_chinese(text: str) -> bool:
    """True when a Han character comes on every ten characters or more: enough for a text with code in it."""
    return han_characters(text) * 10 >= max(len(text), 1)


def is_current(target: Path, made_from: Mapping[str, Any]) -> bool:
    """True when the folder was made from the same things and all its files still have their sizes."""
    try:
        stamp = json.loads((target / STAMP).read_bytes())
        return bool(stamp["made_from"] == made_from and stamp["files"] == _sizes(target))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_stamp(folder: Path, made_from: Mapping[str, Any]) -> None:
    """Records what the folder was made from, and the sizes of its files."""
    stamp = {"made_from": made_from, "files": _sizes(folder)}
    (folder / STAMP).write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n", "utf-8")


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Holds the folder for this process and clears what killed ones left; the lock goes with the process.

    Raises:
        ConfigError: The folder holds something that was not written here.
    """
    if target.exists() and not (target / STAMP).is_file() and (target.is_file() or any(target.iterdir())):
        raise ConfigError(
            "this folder was not made by the quickstart and would be replaced",
            where=str(target),
            hint="name another with --target",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _settle(target)
        try:
            yield
        finally:
            _settle(target)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Gives an empty folder beside the target, which takes the target's place once it is filled. Needs the lock."""
    partial = _beside(target, "partial")
    partial.mkdir()
    yield partial
    for path in _files(partial):
        old = target / path.relative_to(partial)
        if old.is_file() and filecmp.cmp(old, path, shallow=False):
            times = old.stat()
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if target.exists():
        target.rename(_beside(target, "previous"))
    partial.rename(target)


def _settle(target: Path) -> None:
    """Puts the previous folder back if the new one never took its place, and removes leftovers."""
    previous = _beside(target, "previous")
    if previous.exists() and not target.exists():
        previous.rename(target)
    for leftover in (previous, _beside(target, "partial")):
        shutil.rmtree(leftover, ignore_errors=True)


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sizes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder) if path.name != STAMP}


def _write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow as pa

    from tasks.tables.parquet import write_table

    schema = pa.schema([pa.field(name, pa.large_string(), nullable=False) for name in rows[0]])
    write_table(path, pa.Table.from_pylist(rows, schema=schema), schema)
