"""Half a download on disk: what came so far, and what tells whether the rest still belongs to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from schemas.errors import StoreError
from tasks.fetch.http.decoding import BLOCK_BYTES

_STEM = re.compile(r"[0-9a-f]{32}")
_SUFFIXES = (".part", ".json", ".whole")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where half a download came from.

    Attributes:
        url: Digest of the address that sent it (it may hold a secret of the server's).
        validator: A strong ETag or a date that is as good as one; empty: the rest cannot be asked for.
        coding: Its `Content-Encoding`: ranges count encoded bytes.
    """

    url: str
    validator: str
    coding: str


class Scratch:
    """The scratch folder, listed once: asking the file system about every page would cost more than most pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.noted = {file.stem for file in folder.glob("*.json") if _STEM.fullmatch(file.stem)}

    def sweep(self, *, keep: Iterable[str]) -> None:
        """Removes what finished downloads left, and halves nobody will go on with; keeps those of the given paths."""
        stems = {_stem(path) for path in keep}
        for file in self.folder.iterdir():
            is_ours = file.suffix in _SUFFIXES and _STEM.fullmatch(file.stem)
            if is_ours and (file.suffix == ".whole" or file.stem not in stems):
                file.unlink(missing_ok=True)


class Partial:
    """The files of one download in the scratch folder; they survive a kill, and are gone on with by the next look.

    Bytes are held in memory until there are `SPILL_BYTES` of them: most pages never become half a download.

    Raises:
        StoreError: The scratch folder cannot be written.
    """

    SPILL_BYTES = 256 * 1024

    def __init__(self, scratch: Scratch, path: str) -> None:
        self._noted = scratch.noted
        self._stem = _stem(path)
        folder = scratch.folder
        self._part = folder / f"{self._stem}.part"
        self._note = folder / f"{self._stem}.json"
        self.complete = folder / f"{self._stem}.whole"
        self._memory: list[bytes] = []
        self._in_memory = 0
        self._on_disk = 0
        self._origin: Origin | None = None

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._on_disk + self._in_memory

    def found(self) -> Origin | None:
        """Returns where the bytes on disk came from, if the rest of them can be asked for."""
        if self._stem not in self._noted:
            return None
        try:
            note = json.loads(self._note.read_bytes())
            origin = Origin(str(note["url"]), str(note["validator"]), str(note["coding"]))
            size = self._part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not origin.validator or not size:
            return None
        self._origin, self._on_disk = origin, size
        self._memory.clear()
        self._in_memory = 0
        return origin

    def begin(self, origin: Origin) -> None:
        """Starts over."""
        self.discard()
        self._origin = origin

    def append(self, data: bytes) -> None:
        """Adds what came."""
        self._memory.append(data)
        self._in_memory += len(data)
        if self._in_memory >= self.SPILL_BYTES:
            self.spill()

    def spill(self) -> None:
        """Writes what is in memory to disk, if the rest could be asked for later or memory would grow."""
        if not self._in_memory or self._origin is None:
            return
        with writing(self._part):
            if not self._on_disk:
                # The note first: without one, whatever lies there is not used.
                self._note.write_text(json.dumps(asdict(self._origin)), encoding="utf-8")
                self._noted.add(self._stem)
            with self._part.open("ab" if self._on_disk else "wb") as file:
                file.write(b"".join(self._memory))
        self._on_disk += self._in_memory
        self._memory.clear()
        self._in_memory = 0

    def blocks(self) -> Iterator[bytes]:
        """Yields all bytes, in blocks of moderate size."""
        if self._on_disk:
            with self._part.open("rb", buffering=0) as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        for block in self._memory:
            yield from (block[start : start + BLOCK_BYTES] for start in range(0, len(block), BLOCK_BYTES))

    def finish(self) -> Path:
        """Returns a file with all bytes."""
        with writing(self.complete):
            if self._on_disk:
                self.spill()
                self._part.replace(self.complete)
            else:
                with self.complete.open("wb") as file:
                    file.write(b"".join(self._memory))
        self.discard()
        return self.complete

    def discard(self) -> None:
        """Forgets the bytes so far."""
        if self._stem in self._noted:
            self._note.unlink(missing_ok=True)
            self._part.unlink(missing_ok=True)
            self._noted.discard(self._stem)
        self._memory.clear()
        self._in_memory = self._on_disk = 0
        self._origin = None


class writing:
    """Turns what the file system says into an error that helps."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                f"a download cannot be written: {error.strerror or error}",
                where=str(self._path.parent),
                hint="make room, or check permissions; what was fetched so far is kept",
            ) from None


def _stem(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:32]
