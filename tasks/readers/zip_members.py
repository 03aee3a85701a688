"""Members of a zip archive, in the order of their names, each read where the directory says and checked.

`zipfile` reads the directory, through a file that refuses an absurd one. The content is decompressed here, since
`zipfile` does not bound what one call gives of bzip2 and LZMA, and to see members that overlap, of which a small file
can be made to hold any number.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from tasks.readers.decompression import (
    BLOCK_BYTES,
    XZ_MEMORY_BYTES,
    BrokenFile,
    Counted,
    Limits,
    bounded,
    check,
    deflate,
    members,
    zstd_frames,
)
from tasks.readers.faults import Fault, brief
from tasks.readers.members import Member, Names, name_from_bytes

MAX_DIRECTORY_BYTES = 128 * 1024**2

_LOCAL = struct.Struct("<4s5HLLLHH")
_LOCAL_SIGNATURE = b"PK\3\4"
_ENTRY_SIGNATURE = b"PK\1\2"
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_SYMLINK = 0o120000
_FILE_TYPE = 0o170000
_STORED, _DEFLATED, _BZIP2, _LZMA, _ZSTD, _XZ = 0, 8, 12, 14, 93, 95
_BROKEN = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, LookupError, struct.error, ArithmeticError)


class _TooManyMembers(Exception):
    pass


class _Directory:
    """The archive as `zipfile` sees it while it reads the directory."""

    def __init__(self, file: BinaryIO, max_members: int) -> None:
        self._file = file
        self._max_members = max_members
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise _TooManyMembers
        data = self._file.read(size)
        if data.count(_ENTRY_SIGNATURE) > self._max_members:
            raise _TooManyMembers
        return data


def zip_members(
    file: BinaryIO, *, size: int, max_members: int, member: Limits, whole: Limits
) -> Iterator[Member | Fault]:
    """Yields the files of an archive, and what of it is not read.

    Args:
        file: The archive.
        size: Its bytes.
        max_members: An archive with more is not read at all.
        member: How much a member may expand to.
        whole: How much all members together may.
    """
    try:
        directory = zipfile.ZipFile(_Directory(file, max_members))
        entries = directory.infolist()
        starts = sorted({entry.header_offset for entry in entries} | {directory.start_dir})
    except _TooManyMembers:
        yield Fault(0, "too_many_members", f"more than {max_members}; if that is sound, raise `max_members`")
        return
    except _BROKEN as error:
        yield Fault(0, "broken_zip", brief(error))
        return
    following = dict(itertools.pairwise(starts))
    names = Names()
    total = _Total(size, whole)
    shared = _shared_starts(entries)
    for name, entry in sorted(((_name(entry), entry) for entry in entries), key=lambda pair: pair[0]):
        if name.endswith("/"):
            continue
        accepted = names.accept(name)
        if isinstance(accepted, Fault):
            yield accepted
        elif entry.external_attr >> 16 & _FILE_TYPE == _SYMLINK:
            yield Fault(0, "not_a_file", "a symbolic link", accepted)
        elif entry.flag_bits & _ENCRYPTED:
            yield Fault(0, "encrypted", "", accepted)
        elif entry.header_offset in shared:
            yield Fault(0, "overlapping_members", "it begins where another one does", accepted)
        else:
            yield Member(accepted, _content(file, entry, following.get(entry.header_offset, 0), member, total))
            if total.broken is not None:
                yield total.broken.fault(0)
                return


def _name(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _UTF8_NAME or entry.orig_filename.isascii():
        return entry.orig_filename
    return name_from_bytes(entry.orig_filename.encode("cp437"))


def _shared_starts(entries: Iterable[zipfile.ZipInfo]) -> set[int]:
    return {start for start, count in Counter(entry.header_offset for entry in entries).items() if count > 1}


class _Total:
    """What all members together expanded to."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._expanded = 0
        self.broken: BrokenFile | None = None

    def add(self, size: int) -> None:
        self._expanded += size
        try:
            check(self._expanded, self._size, self._limits)
        except BrokenFile as broken:
            self.broken = broken
            raise


def _content(file: BinaryIO, entry: zipfile.ZipInfo, end: int, limits: Limits, total: _Total) -> Iterator[bytes]:
    """Yields a member's content; `end` is where the next one, or the directory, begins.

    Raises:
        BrokenFile: It is damaged, overlaps another, expands too much, or is compressed in a way that is not known.
    """
    checksum = size = 0
    try:
        file.seek(entry.header_offset)
        header = _LOCAL.unpack(file.read(_LOCAL.size))
        start = entry.header_offset + _LOCAL.size + header[-2] + header[-1]
        if header[0] != _LOCAL_SIGNATURE:
            raise BrokenFile("broken_zip", "no member begins where the directory says")
        if start + entry.compress_size > end:
            raise BrokenFile("overlapping_members", "it reaches into another one")
        counted = Counted(_compressed(file, start, entry.compress_size))
        for piece in bounded(_expanded(counted, entry), counted, limits):
            total.add(len(piece))
            checksum = zlib.crc32(piece, checksum)
            size += len(piece)
            yield piece
    except _BROKEN as error:
        raise BrokenFile("broken_zip", brief(error)) from None
    if size != entry.file_size or checksum != entry.CRC:
        raise BrokenFile("broken_zip", "its bytes are not those that the directory tells of")


def _compressed(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    while size > 0:
        file.seek(start)  # The file may have been read elsewhere between two blocks.
        block = file.read(min(size, BLOCK_BYTES))
        if not block:
            raise BrokenFile("broken_zip", "the archive ends inside of a member")
        yield block
        start += len(block)
        size -= len(block)


def _expanded(blocks: Iterable[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    kind = entry.compress_type
    if kind == _STORED:
        return iter(blocks)
    if kind == _ZSTD:
        return zstd_frames(blocks)
    if kind == _LZMA:
        return members(_with_lzma_header(blocks, entry), _lzma_alone, "broken_zip")
    start: dict[int, Callable[[], object]] = {_DEFLATED: deflate, _BZIP2: bz2.BZ2Decompressor, _XZ: _xz}
    if kind not in start:
        raise BrokenFile("unknown_compression", f"method {kind}; zip it anew, deflated")
    return members(blocks, start[kind], "broken_zip")  # type: ignore[arg-type]


def _lzma_alone() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_MEMORY_BYTES)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


def _with_lzma_header(blocks: Iterable[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Puts zip's way to store LZMA's properties (a version, their length, themselves) into that of .lzma files."""
    pieces = iter(blocks)
    first = next(pieces, b"")
    yield first[4:9] + struct.pack("<q", -1 if entry.flag_bits & 0x2 else entry.file_size) + first[9:]
    yield from pieces
