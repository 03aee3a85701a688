"""Where fetchers put what they transfer: objects of the store, and a journal that outlives a kill."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from tasks.fetch.contract import Item
from tasks.store.store import Store

JOURNAL = "journal.jsonl"
SCRATCH = "scratch"

Progress = Callable[[int, int, str], None]


class StoreDestination:
    """Implements `tasks.fetch.contract.Destination` below a folder of the store; may be used by several threads."""

    def __init__(self, store: Store, folder: Path, *, stopping: Callable[[], bool], progress: Progress) -> None:
        self._store = store
        self._folder = folder / SCRATCH
        self._folder.mkdir(parents=True, exist_ok=True)
        self._journal = _whole_lines_only(folder / JOURNAL)
        self._lock = threading.Lock()
        self._stopping = stopping
        self._progress = progress

    @property
    def folder(self) -> Path:
        return self._folder

    def keep(self, file: Path) -> tuple[str, int]:
        found = self._store.objects.take(file)
        file.unlink(missing_ok=True)
        return found

    def remember(self, item: Item) -> None:
        line = orjson.dumps([item.path, item.url, item.sha256, item.size, item.format, dict(item.tag)]) + b"\n"
        with self._lock, self._journal.open("ab") as file:
            file.write(line)

    def clear(self) -> None:
        """Forgets all of it, once a whole look is remembered elsewhere."""
        self._journal.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # Its supervisor's files lie there too.
            self._folder.parent.rmdir()

    def stopping(self) -> bool:
        return self._stopping()

    def progress(self, done: int, total: int, unit: str) -> None:
        self._progress(done, total, unit)


def remembered(folder: Path) -> Iterator[Item]:
    """Yields what looks that did not end had kept already."""
    for values in _lines(folder / JOURNAL):
        try:
            yield Item(*values)
        except TypeError:
            continue


def _lines(journal: Path) -> Iterator[Any]:
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:  # The last line of a killed writer.
            continue


def _whole_lines_only(journal: Path) -> Path:
    """Ends a line that a kill left half written, so that the next one begins a line of its own."""
    if journal.exists() and not journal.read_bytes().endswith(b"\n"):
        with journal.open("ab") as file:
            file.write(b"\n")
    return journal
