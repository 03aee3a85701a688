"""Numbers in a scratch file that grows and is looked at through a window."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class Scratch:
    """Numbers of one type on disk; in memory is what was looked at since the window was last closed.

    Attributes:
        values: All of them, read-only.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.values: npt.NDArray[Any] = np.zeros(0, dtype=dtype)
        self.values.flags.writeable = False  # as what is mapped: compiled loops tell the two apart
        self._path = path
        self._map: mmap.mmap | None = None

    def extend(self, pieces: Iterable[npt.NDArray[Any]]) -> None:
        """Appends numbers."""
        with self._path.open("ab", buffering=1 << 20) as file:
            for piece in pieces:
                file.write(np.ascontiguousarray(piece).data)
            size = file.tell()
        if size:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.values = np.frombuffer(self._map, dtype=self.values.dtype)

    def close_window(self) -> None:
        """Lets go of what was looked at; looking again reads it again."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
