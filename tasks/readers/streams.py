"""Blocks of bytes as a file that is read forward, for libraries that want one."""

from __future__ import annotations

import io
from collections.abc import Iterable


class Stream(io.RawIOBase):
    """Reads blocks as they come and holds no more than one of them.

    An error of the blocks passes through and ends the stream: later reads find its end.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._block = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Returns `size` bytes, fewer only at the end."""
        pieces: list[memoryview] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted:
            if not self._block:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._block = memoryview(block)
            pieces.append(self._block[:wanted])
            self._block = self._block[wanted:]
            wanted -= len(pieces[-1])
        found = b"".join(pieces)
        self._position += len(found)
        return found

    def skip(self, size: int) -> int:
        """Passes over `size` bytes without holding them; returns how many there were."""
        left = size
        while left:
            if not self._block:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._block = memoryview(block)
            step = min(left, len(self._block))
            self._block = self._block[step:]
            left -= step
        self._position += size - left
        return size - left
