"""What a look has finished, so that one that goes on after a kill asks only for the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from schemas.config.http import HttpFetching
from tasks.fetch.contract import Item
from tasks.fetch.http.partial import writing

_NAME = "look.jsonl"
_MAX_AGE_S = 12 * 3600.0
"""What was finished longer ago is asked for again (if unchanged, at the price of one request)."""


class Journal:
    """One line per finished address, written when its bytes are safe. A line torn by a kill counts for nothing."""

    def __init__(self, folder: Path, settings: HttpFetching, wall: float) -> None:
        self._path = folder / _NAME
        identity = json.dumps(settings.identity(), sort_keys=True, default=str)
        self._settings = hashlib.sha256(identity.encode()).hexdigest()
        self._finished = self._read(wall)
        with writing(self._path):
            # Line-buffered: what a killed process wrote is the system's, and not lost.
            self._file = self._path.open("a" if self._finished else "w", buffering=1, encoding="utf-8")
            if not self._finished:
                self._write({"settings": self._settings})
            else:
                self._file.write("\n")  # ends a torn line

    def _read(self, wall: float) -> dict[str, str]:
        finished: dict[str, str] = {}
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        for number, line in enumerate(lines):
            try:
                entry = json.loads(line)
                if number == 0 and entry["settings"] != self._settings:
                    return {}
                if number and 0 <= wall - float(entry["at"]) < _MAX_AGE_S:
                    finished[str(entry["path"])] = str(entry["sha256"])
            except (ValueError, KeyError, TypeError):
                if number == 0:
                    return {}
        return finished

    def finished(self, known: Mapping[str, Item]) -> dict[str, Item]:
        """Returns the items that this look has finished already and whose bytes are still there."""
        return {
            path: known[path]
            for path, sha256 in self._finished.items()
            if path in known and known[path].sha256 == sha256
        }

    def add(self, item: Item, wall: float) -> None:
        """Notes an item as finished."""
        with writing(self._path):
            self._write({"path": item.path, "sha256": item.sha256, "at": wall})

    def _write(self, entry: Mapping[str, object]) -> None:
        self._file.write(json.dumps(entry) + "\n")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it; a look that came to its end needs it no more."""
        self._file.close()
        if kind is None:
            self._path.unlink(missing_ok=True)
