"""Texts as one array of UTF-8 bytes and back, and the decorator of the compiled loops over it.

A module of compiled loops calls none of another module: numba's cache would not notice when that one changed. Loading
from the cache takes 0.1 to 0.5 s per process, compiling some seconds once per machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

F = TypeVar("F", bound=Callable[..., Any])

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def compiled(function: F) -> F:
    """Compiles a loop, with a cache on disk where numba finds a folder that it can write to."""
    made: Any
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        made = numba.njit(nogil=True)(function)
    return cast(F, made)


def as_bytes(texts: pl.Series) -> tuple[U8, I64]:
    """Returns the texts' bytes, one after the other, and int64[n + 1], where each begins and the last one ends."""
    array = texts.to_arrow().cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, starts, data = array.buffers()
    if data is None or starts is None or not len(array):
        return np.zeros(0, dtype=np.uint8), np.zeros(len(array) + 1, dtype=np.int64)
    bounds = np.frombuffer(starts, dtype=np.int64, count=len(array) + 1, offset=array.offset * 8)
    return np.frombuffer(data, dtype=np.uint8), bounds


def as_texts(data: U8, starts: I64, name: str = "text") -> pl.Series:
    """Undoes `as_bytes`."""
    array = pa.LargeStringArray.from_buffers(
        len(starts) - 1, pa.py_buffer(np.ascontiguousarray(starts)), pa.py_buffer(np.ascontiguousarray(data))
    )
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)
    return found.alias(name)
