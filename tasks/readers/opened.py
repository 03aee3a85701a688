"""Reading a file whose digest is known: once, through gzip, in bounded memory, and checked as it is read."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from schemas.errors import StageFailed
from tasks.readers.faults import Fault, brief
from tasks.readers.formats import is_gzip

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK_BYTES = 1024**2


class BrokenFile(Exception):
    """The rest of a file cannot be read; `fault` says why. Never leaves this package."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    def fault(self, line: int) -> Fault:
        return Fault(line, self.reason, self.detail)


class _HashedFile(io.RawIOBase):
    """Passes a file's bytes on and digests them in passing."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        count = self._file.readinto(view) or 0
        self.digest.update(view[:count])
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class OpenedFile:
    """A file that is read from its beginning, and proves at the end to be the one that was meant.

    Use as a context manager: leaving it without an error reads the rest and checks the digest, so everything that was
    made of the content must be thrown away if that raises.

    Raises:
        StageFailed: The file is gone, or its bytes are not those that the digest was taken of.
    """

    def __init__(self, path: Path, *, locator: str, sha256: str) -> None:
        self._locator = locator
        self._sha256 = sha256
        try:
            self._raw = _HashedFile(path)
        except OSError as error:
            raise changed(locator, error.strerror or str(error)) from None
        self._buffered = io.BufferedReader(self._raw, BLOCK_BYTES)
        self._content: io.BufferedReader[_HashedFile] | gzip.GzipFile = (
            gzip.GzipFile(fileobj=self._buffered) if is_gzip(path.name) else self._buffered
        )

    def blocks(self) -> Iterator[bytes]:
        """Yields the content, decompressed, in pieces of at most `BLOCK_BYTES`.

        Raises:
            BrokenFile: The compressed data end too early or are damaged; what came before was yielded.
        """
        while True:
            try:
                block = self._content.read1(BLOCK_BYTES)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise BrokenFile("broken_gzip", brief(error)) from None
            if not block:
                return
            yield block

    def read(self, limit: int) -> bytes | None:
        """Returns the whole content, or None if it is longer than `limit` bytes.

        Raises:
            BrokenFile: As `blocks`.
        """
        pieces: list[bytes] = []
        size = 0
        for block in self.blocks():
            size += len(block)
            if size > limit:
                return None
            pieces.append(block)
        return b"".join(pieces)

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                while self._buffered.read1(BLOCK_BYTES):
                    pass
                if self._raw.digest.hexdigest() != self._sha256:
                    raise changed(self._locator, "its bytes differ")
        finally:
            self._buffered.close()


def changed(locator: str, why: str) -> StageFailed:
    """Returns the error for a file that is not, or no longer, what was looked at when the run was planned."""
    return StageFailed(
        f"the file changed since it was looked at ({why})",
        where=locator,
        hint="run again: the sources are looked at anew",
    )
