"""Reading a file whose digest is known: once, in bounded memory, and checked as it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType

from schemas.errors import StageFailed
from tasks.readers.decompression import BLOCK_BYTES, Limits, decompressed
from tasks.readers.formats import Compression


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
        self._digest = hashlib.sha256()
        self._file = _open(path, locator)

    def raw(self) -> Iterator[bytes]:
        """Yields the file's own bytes in pieces of at most `BLOCK_BYTES`."""
        while block := _read(self._file, BLOCK_BYTES, self._locator):
            self._digest.update(block)
            yield block

    def blocks(self, compression: Compression | None, limits: Limits) -> Iterator[bytes]:
        """Yields the content, decompressed, in pieces of at most `BLOCK_BYTES`.

        Raises:
            BrokenFile: As `decompressed`.
        """
        return decompressed(self.raw(), compression, limits)

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                for _ in self.raw():
                    pass
                if self._digest.hexdigest() != self._sha256:
                    raise changed(self._locator, "its bytes differ")


def open_checked(path: Path, *, locator: str, sha256: str) -> BufferedReader:
    """Returns a file for random access, its bytes checked first.

    Raises:
        StageFailed: As `OpenedFile`.
    """
    file = _open(path, locator)
    try:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise changed(locator, "its bytes differ")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def read_checked(path: Path, *, locator: str, sha256: str, size: int) -> bytes:
    """Returns the bytes of a small file of a known size.

    Raises:
        StageFailed: As `OpenedFile`.
    """
    with _open(path, locator) as file:
        data = _read(file, size + 1, locator)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise changed(locator, "its bytes differ")
    return data


def _open(path: Path, locator: str) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise changed(locator, error.strerror or str(error)) from None


def _read(file: BufferedReader, size: int, locator: str) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise changed(locator, error.strerror or str(error)) from None


def changed(locator: str, why: str) -> StageFailed:
    """Returns the error for a file that is not, or no longer, what was looked at when the run was planned."""
    return StageFailed(
        f"the file changed since it was looked at ({why})",
        where=locator,
        hint="run again: the sources are looked at anew",
    )
