"""Compressed streams in bounded pieces, whatever they expand to.

A stream of several members (gzip, bzip2, xz) or frames (zstd) is read to its end. What a few bytes expand to is asked
for piece by piece, so a bomb costs no memory; it is cut where it passes `Limits`, after at most a second.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from tasks.readers.faults import Fault, brief
from tasks.readers.formats import Compression
from tasks.readers.streams import Stream

BLOCK_BYTES = 1024**2
INPUT_BYTES = 64 * 1024
"""Compressed bytes worked on at a time: zlib copies what it has not used yet at every call."""

XZ_MEMORY_BYTES = 192 * 1024**2
"""Enough for every preset (`xz -9` needs 65 MB); a stream may ask for 4 GB."""

RATIO_COUNTS_FROM = 64 * 1024**2
"""Smaller content harms nobody, whatever it was compressed to."""


class BrokenFile(Exception):
    """The rest of a file or member cannot be read; `fault` says why. Never leaves this package."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    def fault(self, line: int, member: str = "") -> Fault:
        """Returns it as a fault at a line."""
        return Fault(line, self.reason, self.detail, member)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out of compressed bytes."""

    max_ratio: int = 200
    max_bytes: int = 1024**4


class _Decompressor(Protocol):
    """What `bz2` and `lzma` have, and `_Inflate` gives zlib."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes: ...


class _Inflate:
    """A zlib stream that keeps what it has not used yet, as `bz2` and `lzma` do."""

    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes:
        tail = self._stream.unconsumed_tail
        piece = self._stream.decompress(tail + data if tail else data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(piece) < max_length
        return piece


_GZIP_WBITS = 31
_GZIP_MAGIC = b"\x1f\x8b\x08"
_DEFLATE_WBITS = -15
_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def _gzip() -> _Decompressor:
    return _Inflate(_GZIP_WBITS)


def deflate() -> _Decompressor:
    """Returns a decompressor of bare deflated data, as members of zip archives are."""
    return _Inflate(_DEFLATE_WBITS)


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


Start = Callable[[], _Decompressor]

_START: dict[Compression, Start] = {"gzip": _gzip, "bzip2": bz2.BZ2Decompressor, "xz": _xz}


def decompressed(blocks: Iterable[bytes], compression: Compression | None, limits: Limits) -> Iterator[bytes]:
    """Yields the content in pieces of at most `BLOCK_BYTES`; with no compression, `blocks` as they are.

    Raises:
        BrokenFile: The data end too early, are damaged or expand beyond the limits; what came before was yielded.
    """
    counted = Counted(blocks)
    if compression is None:
        pieces: Iterator[bytes] = iter(counted)
    elif compression == "zstd":
        pieces = zstd_frames(counted)
    else:
        pieces = members(counted, _START[compression], f"broken_{compression}")
    return bounded(pieces, counted, limits)


class Counted:
    """Passes blocks on and counts their bytes."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.bytes += len(block)
            yield block


def bounded(pieces: Iterable[bytes], compressed: Counted, limits: Limits) -> Iterator[bytes]:
    """Yields pieces as long as they keep to the limits.

    Raises:
        BrokenFile: They do not.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        check(size, compressed.bytes, limits)
        yield piece


def check(size: int, compressed: int, limits: Limits) -> None:
    """Compares what came out of compressed bytes with the limits.

    Raises:
        BrokenFile: It is too much.
    """
    if size > RATIO_COUNTS_FROM and size > limits.max_ratio * compressed:
        raise BrokenFile(
            "decompression_bomb", f"{compressed} bytes expand to {size} and more; if that is sound, raise `max_ratio`"
        )
    if size > limits.max_bytes:
        raise BrokenFile("too_many_bytes", f"more than {limits.max_bytes} bytes when decompressed")


def members(blocks: Iterable[bytes], start: Start, reason: str) -> Iterator[bytes]:
    """Yields the content of all members of a stream.

    Args:
        blocks: Compressed bytes.
        start: Makes the decompressor of the next member.
        reason: What a damaged stream is called.

    Raises:
        BrokenFile: The stream is damaged or ends too early.
    """
    member: _Decompressor | None = None
    try:
        for block in blocks:
            for at in range(0, len(block), INPUT_BYTES):
                rest = block[at : at + INPUT_BYTES]
                while rest:
                    if member is None:
                        rest = rest.lstrip(b"\0")  # Tapes and xz pad with zeros.
                        if not rest:
                            break
                        member = start()
                    yield from pieces_of(member, rest)
                    rest = member.unused_data if member.eof else b""
                    if member.eof:
                        member = None
    except _BROKEN as error:
        raise BrokenFile(reason, brief(error)) from None
    if member is not None:
        raise BrokenFile(reason, "it ends before its end-of-stream marker")


def pieces_of(member: _Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
    """Yields all that some compressed bytes give, in pieces of at most `BLOCK_BYTES`."""
    while True:
        piece = member.decompress(data, BLOCK_BYTES)
        if piece:
            yield piece
        if member.eof or member.needs_input:
            return
        data = b""


def salvaged_gzip(blocks: Iterable[bytes], limits: Limits) -> Iterator[bytes | BrokenFile]:
    """Yields the content of all members that can be read; in place of the rest of a damaged one stands the reason.

    After damage the next member is looked for. For files whose members stand by themselves, such as WARC's records.

    Raises:
        BrokenFile: It is too much.
    """
    counted = Counted(blocks)
    member: _Decompressor | None = None
    lost = False
    size = start = unused = 0
    data = b""  # The last input, in case damage shows only after the next member has begun, and the current one.
    for block in counted:
        for at in range(0, len(block), INPUT_BYTES):
            start -= max(0, len(data) - INPUT_BYTES)
            data = data[-INPUT_BYTES:]
            position = len(data) - unused
            unused = 0
            data += block[at : at + INPUT_BYTES]
            while position < len(data):
                if member is None:
                    found = data.find(_GZIP_MAGIC, position)
                    end = found if found >= 0 else max(position, len(data) - len(_GZIP_MAGIC) + 1)
                    if not lost and data[position:end].strip(b"\0"):
                        lost = True
                        yield BrokenFile("broken_gzip", "bytes that belong to no member")
                    if found < 0:
                        unused = len(data) - end
                        break
                    position = start = found
                    member = _gzip()
                try:
                    for piece in pieces_of(member, memoryview(data)[position:]):
                        size += len(piece)
                        check(size, counted.bytes, limits)
                        yield piece
                except zlib.error as error:
                    if not lost:
                        yield BrokenFile("broken_gzip", brief(error))
                    member, lost = None, True
                    position = max(0, start + len(_GZIP_MAGIC))
                    continue
                position = len(data) - len(member.unused_data) if member.eof else len(data)
                if member.eof:
                    member, lost = None, False
    if member is not None and not lost:
        yield BrokenFile("broken_gzip", "it ends before its end-of-stream marker")


def zstd_frames(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the content of all frames, as `members`."""
    # Arrow's reader asks for bounded output and knows a frame that ends too early; the zstandard package does not.
    try:
        with pa.CompressedInputStream(pa.PythonFile(Stream(blocks), mode="r"), "zstd") as stream:
            while piece := stream.read(BLOCK_BYTES):
                yield piece
    except (pa.ArrowException, OSError) as error:
        raise BrokenFile("broken_zstd", brief(error)) from None
