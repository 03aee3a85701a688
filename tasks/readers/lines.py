"""Lines of a stream of bytes, in memory bounded by the longest line that is allowed."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from tasks.readers.encodings import UTF16_MARKS
from tasks.readers.opened import BrokenFile


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
    """Yields `head` and `blocks` without a byte order mark; UTF-16 becomes UTF-8, so that newlines are one byte.

    Raises:
        BrokenFile: What claims to be UTF-16 is none.
    """
    if not head.startswith(UTF16_MARKS):
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        yield decoder.decode(head).encode()
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeDecodeError as error:
        raise BrokenFile("invalid_utf16", error.reason) from None
