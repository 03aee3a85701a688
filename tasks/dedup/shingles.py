"""The shingles of documents that are to be compared, in a scratch file that is looked at through a window.

They are made again from the texts. The file takes 8 bytes a shingle on disk; in memory are a batch of text, 8 bytes a
set, and what was looked at since the window was last closed.
"""

from __future__ import annotations

import mmap
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
from tasks.dedup.index import Corpus
from tasks.dedup.signatures import BATCH_BYTES, Shingling, Texts, shingle_texts
from tasks.tables.parquet import batches


class Shingles:
    """Sorted sets of shingles; `sets` says which is whose: int32[documents], -1 for those that have none here."""

    def __init__(self, corpus: Corpus, shingling: Shingling, path: Path, stopping: Callable[[], bool]) -> None:
        self.sets: I32 = np.full(corpus.size, -1, dtype=np.int32)
        self.count = 0
        self.bounds: I64 = np.zeros(1, dtype=np.int64)
        self.hashes: U64 = np.zeros(0, dtype=np.uint64)
        self.hashes.flags.writeable = False  # as what is mapped: compiled loops tell the two apart
        self._corpus = corpus
        self._shingling = shingling
        self._path = path
        self._stopping = stopping
        self._map: mmap.mmap | None = None

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
        done = 0
        with self._path.open("ab") as file:
            for part, _, rows in self._corpus.in_parts(documents):
                path = self._corpus.parts[part].documents
                assert path is not None, "documents of tonight lie in files"
                for table in _rows(path, rows):
                    if self._stopping():
                        raise Interrupted("stopped while reading candidates")
                    shingles, ends, _ = shingle_texts(table, Texts.of(table), self._shingling)
                    for begin, end in pairwise(ends.tolist()):
                        one = np.sort(shingles[begin:end])
                        one = one[np.concatenate([one[:1] == one[:1], one[1:] != one[:-1]])]
                        file.write(one.data)
                        done += 1
                        sizes[done] = len(one)
        self.sets[documents] = np.arange(self.count, self.count + done, dtype=np.int32)
        self.count += done
        self.bounds = np.concatenate([self.bounds[:-1], np.cumsum(sizes)])
        if self.bounds[-1]:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.hashes = np.frombuffer(self._map, dtype=np.uint64)

    def close_window(self) -> None:
        """Lets go of what was looked at; looking again reads it again."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)


def _rows(path: Path, rows: I64) -> Iterator[pa.Table]:
    """Yields the language and text of some rows, ascending, of a file of documents, a batch at a time."""
    begin = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            inside = rows[np.searchsorted(rows, begin) : np.searchsorted(rows, end)] - begin
            if len(inside):
                yield from batches(
                    file.read_row_group(group, columns=["language", "text"]).take(inside), "text", BATCH_BYTES
                )
            begin = end
