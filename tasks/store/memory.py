"""Objects in memory, for tests of what does not need a disk."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path


class MemoryObjects:
    """File contents in a dictionary; `path` lays one out in a temporary folder when somebody must open it."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="nightmill-objects-")

    def path(self, digest: str) -> Path:
        path = Path(self._folder.name) / digest
        if digest in self._contents and not path.exists():
            path.write_bytes(self._contents[digest])
        return path

    def size(self, digest: str) -> int | None:
        contents = self._contents.get(digest)
        return None if contents is None else len(contents)

    def take(self, file: Path) -> tuple[str, int]:
        contents = file.read_bytes()
        digest = hashlib.sha256(contents).hexdigest()
        self._contents[digest] = contents
        return digest, len(contents)

    def link(self, digest: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._contents[digest])

    def discard(self, digest: str) -> None:
        self._contents.pop(digest, None)
        (Path(self._folder.name) / digest).unlink(missing_ok=True)
