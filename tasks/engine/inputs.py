"""Stored files as a stage reads them, in its own process and in those that work on its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.manifest import FileRecord
from tasks.engine.spec import InputSpec
from tasks.engine.stage import StoredFile
from tasks.store.store import Store


@dataclass(frozen=True)
class StoredInputFile:
    """A stored file that checks its bytes when its path is first asked for. Small, and can be sent to a pool."""

    stored: StoredFile
    store_root: str

    @property
    def path(self) -> Path:
        return opened(self.store_root).verified_path(file_record(self.stored))


class StoredInput:
    """A named output of an earlier stage."""

    def __init__(self, spec: InputSpec, store: Store) -> None:
        self._folder = Path(spec.folder)
        self._files = [
            StoredInputFile(StoredFile(file.name, file.digest, file.size, file.rows), str(store.root))
            for file in spec.files
        ]

    @property
    def files(self) -> Sequence[StoredInputFile]:
        return self._files

    def folder(self) -> Path:
        for file in self._files:
            assert file.path.is_file()
        return self._folder


_stores: dict[str, Store] = {}


def opened(root: str) -> Store:
    """Returns this process's one open store at a root: processes that work on parts open their own."""
    if root not in _stores:
        _stores[root] = Store.open(Path(root))
    return _stores[root]


def file_record(file: StoredFile) -> FileRecord:
    """Returns a stored file as manifests list it."""
    return FileRecord(name=file.name, digest=file.digest, size=file.size, rows=file.rows)
