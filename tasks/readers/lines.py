"""Lines of a stream of bytes, in memory bounded by the longest line that is allowed."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from tasks.readers.decompression import BrokenFile
from tasks.readers.encodings import marked
from tasks.readers.faults import brief


def bounded_lines(blocks: Iterable[bytes], limit: int) -> Iterator[bytes | None]:
    """Yields each line without its newline; None in place of a line of more than `limit` bytes, which is not kept.

    An error of `blocks` passes through; of the line it cuts off nothing is yielded.
    """
    pending: list[bytes] = []
    size = 0
    for block in blocks:
        first, *rest = block.split(b"\n")
        size += len(first)
        if size <= limit:
            pending.append(first)
        else:
            pending.clear()
        if not rest:
            continue
        yield b"".join(pending) if size <= limit else None
        for line in rest[:-1]:
            yield line if len(line) <= limit else None
        size = len(rest[-1])
        pending = [rest[-1]] if size <= limit else []
    if size:
        yield b"".join(pending) if size <= limit else None


def as_utf8(head: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields `head` and `blocks` without a byte order mark; UTF-16 and UTF-32 become UTF-8, so newlines are one byte.

    Raises:
        BrokenFile: What claims to be UTF-16 or UTF-32 is none.
    """
    encoding = marked(head)
    if encoding is None:
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(head).encode()
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise BrokenFile(f"invalid_{encoding.replace('-', '')}", brief(error)) from None


def bounded_pieces(blocks: Iterable[bytes], end: bytes, limit: int) -> Iterator[bytes | None]:
    """Yields what ends with `end`, `end` included, and what is left at the end of the stream.

    In place of a piece of more than `limit` bytes stands None; it is not kept.
    """
    pending = bytearray()
    size = 0  # Of the piece so far, kept or not.
    for block in blocks:
        pending += block
        size += len(block)
        start = 0
        # What was looked through before holds no end, but for one that was cut in two.
        found = pending.find(end, max(0, len(pending) - len(block) - len(end) + 1))
        while found >= 0:
            stop = found + len(end)
            length = size - (len(pending) - stop)
            yield bytes(pending[start:stop]) if length <= limit else None
            size -= length
            start = stop
            found = pending.find(end, start)
        del pending[:start]
        if size > limit:
            del pending[: max(0, len(pending) - len(end) + 1)]
    if size:
        yield bytes(pending) if size <= limit else None
