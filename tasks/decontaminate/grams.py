"""N-grams of columns of text: a batch of a few MiB at a time, so that memory does not grow with documents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tasks.arrays.utf8 import I64, U8, U64
from tasks.decontaminate import hashing

BATCH_BYTES = 1 << 20
"""Text that is taken at a time; a token of one byte takes about 50 bytes while it is."""


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens of an n-gram, and the fewest of a shorter text that is looked for whole."""

    ngram: int
    least: int


@dataclass(frozen=True)
class Grams:
    """The n-grams of a batch of texts.

    Attributes:
        values: uint64[grams], their hashes.
        firsts: int64[grams], the first token of each.
        sizes: uint8[grams], the number of its tokens.
        ahead: int64[n + 1], how many come before each text.
        hashes: uint64[tokens], of each token.
        begins: int64[tokens], first character of each token in its text.
        ends: int64[tokens], one past its last character.
        before: int64[n + 1], how many tokens come before each text.
    """

    values: U64
    firsts: I64
    sizes: U8
    ahead: I64
    hashes: U64
    begins: I64
    ends: I64
    before: I64

    def texts_of(self, places: I64) -> I64:
        """Returns which text each of some n-grams belongs to."""
        return np.searchsorted(self.ahead, places, side="right") - 1

    def characters(self, places: I64) -> tuple[I64, I64]:
        """Returns the first character of each of some n-grams in its text, and one past its last."""
        firsts = self.firsts[places]
        return self.begins[firsts], self.ends[firsts + self.sizes[places] - 1]


def find_grams(texts: pa.ChunkedArray | pa.Array, length: Length, *, whole: bool) -> Grams:
    """Finds the n-grams of some texts; see `hashing.ngrams` for what `whole` says of shorter texts."""
    content, starts = as_bytes(texts)
    hashes, begins, ends, edges, before = hashing.tokenize(content, starts, hashing.folding_table())
    values, firsts, sizes, ahead = hashing.ngrams(hashes, edges, before, length.ngram, length.least, whole)
    return Grams(values, firsts, sizes, ahead, hashes, begins, ends, before)


def as_bytes(texts: pa.ChunkedArray | pa.Array) -> tuple[U8, I64]:
    """Returns the texts' bytes, and int64[n + 1], where each begins and the last one ends; one chunk is not copied."""
    column = pa.chunked_array([texts]) if isinstance(texts, pa.Array) else texts
    joined = column.cast(pa.large_string())
    array = joined.chunk(0) if joined.num_chunks == 1 else joined.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.large_string())
    _, offsets, data = array.buffers()
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    starts = np.zeros(1, dtype=np.int64)
    if len(array):
        starts = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return content, starts
