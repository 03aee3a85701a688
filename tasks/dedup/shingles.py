"""The shingles of documents that are to be compared in full, in a scratch file.

They are made again from the texts; the file takes 8 bytes a shingle on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import Interrupted
from tasks.arrays.utf8 import I32, I64, U64
from tasks.dedup import comparing
from tasks.dedup.index import Corpus
from tasks.dedup.scratch import Scratch
from tasks.dedup.signatures import Shingling, shingle_texts
from tasks.tables.parquet import batches

BATCH_BYTES = 1 << 20
"""Text that is shingled at a time: 8 bytes of hash for each byte of text at most."""


class Shingles:
    """Sorted sets of shingles; `sets` says which is whose: int32[documents], -1 for those that have none here."""

    def __init__(self, corpus: Corpus, shingling: Shingling, path: Path, stopping: Callable[[], bool]) -> None:
        self.sets: I32 = np.full(corpus.size, -1, dtype=np.int32)
        self.count = 0
        self.bounds: I64 = np.zeros(1, dtype=np.int64)
        self._corpus = corpus
        self._shingling = shingling
        self._scratch = Scratch(path, np.dtype(np.uint64))
        self._stopping = stopping

    @property
    def hashes(self) -> U64:
        """All sets, one after the other, as `bounds` says."""
        return self._scratch.values

    def add(self, documents: npt.NDArray[np.integer[Any]]) -> None:
        """Makes the sets of ascending documents that have none yet.

        Raises:
            Interrupted: The run is to stop.
        """
        documents = documents[self.sets[documents] < 0]
        if not len(documents):
            return
        sizes = np.zeros(len(documents) + 1, dtype=np.int64)
        sizes[0] = self.bounds[-1]
        self.sets[documents] = np.arange(self.count, self.count + len(documents), dtype=np.int32)
        self.count += len(documents)
        self._scratch.extend(self._made(documents, sizes))
        self.bounds = np.concatenate([self.bounds[:-1], np.cumsum(sizes)])

    def close_window(self) -> None:
        """Lets go of what was looked at; looking again reads it again."""
        self._scratch.close_window()

    def _made(self, documents: npt.NDArray[np.integer[Any]], sizes: I64) -> Iterator[U64]:
        done = 0
        for part, _, rows in self._corpus.in_parts(documents):
            path = self._corpus.parts[part].documents
            assert path is not None, "documents of tonight lie in files"
            for table in _rows(path, rows):
                if self._stopping():
                    raise Interrupted("stopped while reading candidates")
                shingles, ends = shingle_texts(table, self._shingling)
                for begin, end in pairwise(ends.tolist()):
                    shingles[begin:end].sort()  # numpy's is many times as fast as a compiled loop's
                sets, ends = comparing.distinct(shingles, ends)
                sizes[done + 1 : done + len(ends)] = np.diff(ends)
                done += table.num_rows
                yield sets


def _rows(path: Path, rows: I64) -> Iterator[pa.Table]:
    """Yields the language and text of some rows, ascending, of a file of documents, a batch at a time."""
    begin = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            inside = rows[np.searchsorted(rows, begin) : np.searchsorted(rows, end)] - begin
            if len(inside):
                table = file.read_row_group(group, columns=["language", "text"], use_threads=False)
                yield from batches(table.take(inside), "text", BATCH_BYTES)
            begin = end
