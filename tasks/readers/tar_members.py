"""Members of a tar archive, in the archive's order, from a stream that is read once.

`tarfile` reads the headers. It is given a stream that never goes back (a negative size would make it loop) and refuses
to read a header of more than a megabyte (a name may claim to be as long as the archive). Damaged headers are passed
over: what follows is read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from tasks.readers.decompression import BLOCK_BYTES, BrokenFile, Limits, check
from tasks.readers.faults import Fault, brief
from tasks.readers.members import Member, Names, name_from_bytes
from tasks.readers.streams import Stream

MAX_HEADER_BYTES = 1024**2

_BROKEN = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, OSError, EOFError)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


class _Forward(Stream):
    """What `tarfile` may do with the archive."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)

    def take(self, size: int) -> bytes:
        """Returns content, in place of `read`."""
        return super().read(size)

    def seek(self, target: int, whence: int = 0) -> int:
        if whence or target < self.tell():
            raise tarfile.ReadError("not a tar archive, or a size that cannot be")
        self.skip(target - self.tell())
        return self.tell()


def tar_members(blocks: Iterable[bytes], *, max_members: int, limits: Limits) -> Iterator[Member | Fault]:
    """Yields the files of an archive, and what of it is not read.

    Args:
        blocks: The archive, decompressed.
        max_members: Members beyond so many are not read.
        limits: How long a member may be.
    """
    stream = _Forward(blocks)
    names = Names()
    seen = _Seen()
    number = 0
    try:
        with tarfile.TarFile(
            fileobj=stream,
            tarinfo=seen.header_class(),
            ignore_zeros=True,
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive:
            while header := archive.next():
                archive.members.clear()  # type: ignore[attr-defined]  # Or it would keep every header.
                yield from seen.damage()
                number += 1
                if number > max_members:
                    yield Fault(
                        0, "too_many_members", f"more than {max_members}; if that is sound, raise `max_members`"
                    )
                    return
                found = _member(header, stream, names, limits)
                if found is not None:
                    yield found
        yield from seen.damage()
        if not seen.end:
            yield Fault(0, "broken_tar", "it ends without an end mark")
    except BrokenFile as broken:
        yield broken.fault(0)
    except _BROKEN as error:
        yield Fault(0, "broken_tar", brief(error))


def _member(header: tarfile.TarInfo, stream: _Forward, names: Names, limits: Limits) -> Member | Fault | None:
    if header.isdir():
        return None
    name = header.name
    if not name.isascii():
        name = name_from_bytes(name.encode("utf-8", "surrogateescape"))
    accepted = names.accept(name)
    if isinstance(accepted, Fault):
        return accepted
    if not header.isreg() or header.issparse():
        return Fault(0, "not_a_file", _KINDS.get(header.type, "a file with holes or of an unknown kind"), accepted)
    return Member(accepted, _content(stream, header.size, limits))


def _content(stream: _Forward, size: int, limits: Limits) -> Iterator[bytes]:
    left = size
    while left > 0:
        block = stream.take(min(left, BLOCK_BYTES))
        if not block:
            raise BrokenFile("broken_tar", "the archive ends inside of a member")
        left -= len(block)
        check(size - left, size, limits)
        yield block


class _Seen:
    """What `tarfile` met between members and does not tell."""

    def __init__(self) -> None:
        self.end = False
        self._damaged = 0

    def damage(self) -> Iterator[Fault]:
        """Yields a fault for the damaged headers since the last call."""
        if self._damaged:
            yield Fault(0, "broken_tar", f"{self._damaged} blocks that are no header of a member")
            self._damaged = 0

    def header_class(self) -> type[tarfile.TarInfo]:
        seen = self

        class Header(tarfile.TarInfo):
            @classmethod
            def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
                if len(buf) == tarfile.BLOCKSIZE and not buf.strip(b"\0"):
                    seen.end = True
                elif buf:
                    try:
                        found = super().frombuf(buf, encoding, errors)
                    except tarfile.HeaderError:
                        seen._damaged += 1
                        raise
                    seen.end = False
                    return found
                return super().frombuf(buf, encoding, errors)

        return Header
