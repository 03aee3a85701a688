"""Which candidates are worth comparing in full: those whose signatures agree in as many values as similar texts' do.

A band shared by chance is what most candidates have in common. Their signatures say so for 448 bytes a document that
lie in the index already, where comparing them in full takes their texts, and 8 bytes a shingle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays.utf8 import I32, U32
from tasks.dedup.index import Corpus
from tasks.dedup.scratch import Scratch
from tasks.dedup.signatures import SIGNATURES

ROWS_AT_A_TIME = 4096


class Signatures:
    """Signatures of candidates in a scratch file; `lines` says which is whose: int32[documents], -1 for others."""

    def __init__(self, corpus: Corpus, permutations: int, path: Path) -> None:
        self.lines: I32 = np.full(corpus.size, -1, dtype=np.int32)
        self._corpus = corpus
        self._permutations = permutations
        self._count = 0
        self._scratch = Scratch(path, np.dtype(np.uint32))

    @property
    def values(self) -> U32:
        """uint32[lines, permutations]."""
        return self._scratch.values.reshape(-1, self._permutations)

    def add(self, documents: npt.NDArray[np.integer[Any]]) -> None:
        """Takes in the signatures of ascending documents that are not here yet."""
        documents = documents[self.lines[documents] < 0]
        self.lines[documents] = np.arange(self._count, self._count + len(documents), dtype=np.int32)
        self._count += len(documents)
        self._scratch.extend(self._read(documents))

    def close_window(self) -> None:
        """Lets go of what was looked at; looking again reads it again."""
        self._scratch.close_window()

    def _read(self, documents: npt.NDArray[np.integer[Any]]) -> Iterator[U32]:
        for part, _, rows in self._corpus.in_parts(documents):
            signatures = self._corpus.parts[part].load(SIGNATURES)
            for begin in range(0, len(rows), ROWS_AT_A_TIME):
                yield signatures[rows[begin : begin + ROWS_AT_A_TIME]]
