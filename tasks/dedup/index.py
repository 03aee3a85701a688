"""All documents of the corpus at once, as numbers: which part and row they are, and who came first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.dedup.kernels import I64
from tasks.dedup.signatures import KEY

LOCATOR = ("source", "path", "offset")


@dataclass(frozen=True)
class Corpus:
    """The documents of all parts, numbered through in the order of the parts.

    Attributes:
        documents: One Parquet file a part.
        signatures: One file a part, see `signatures.sign_part`.
        starts: int64[parts + 1], the first document of each part.
        keys: `KEY[n]`, 37 bytes a document.
        order: int64[n], the documents from the earliest: by first_seen, then id, then locator.
    """

    documents: Sequence[Path]
    signatures: Sequence[Path]
    starts: I64
    keys: npt.NDArray[np.void]
    order: I64

    @classmethod
    def load(cls, documents: Sequence[Path], keys: Sequence[Path], signatures: Sequence[Path]) -> Self:
        """Reads the keys and finds the order; no text and no signature is read."""
        tables = [np.load(path, allow_pickle=False) for path in keys]
        joined = np.concatenate(tables) if tables else np.zeros(0, dtype=KEY)
        starts = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
        order = _order(joined, documents, starts)
        return cls(documents, signatures, starts, joined, order)

    @property
    def size(self) -> int:
        return len(self.keys)

    def in_parts(self, documents: I64) -> Iterator[tuple[int, I64]]:
        """Yields the parts that hold any of the documents, with their rows there; the documents must be ascending."""
        yield from _in_parts(self.starts, documents)

    def origins(self, documents: I64) -> pa.Table:
        """Reads id, source, path and offset of ascending documents."""
        return _origins(self.documents, self.starts, documents)


def _in_parts(starts: I64, documents: I64) -> Iterator[tuple[int, I64]]:
    places = np.searchsorted(documents, starts)
    for part in range(len(starts) - 1):
        if places[part] < places[part + 1]:
            yield part, documents[places[part] : places[part + 1]] - starts[part]


def _origins(paths: Sequence[Path], starts: I64, documents: I64) -> pa.Table:
    columns = ["id", *LOCATOR]
    found = [pq.read_table(paths[part], columns=columns).take(rows) for part, rows in _in_parts(starts, documents)]
    return pa.concat_tables(found)


def _order(keys: npt.NDArray[np.void], paths: Sequence[Path], starts: I64) -> I64:
    day, upper, lower = keys["day"], keys["id"][:, 0], keys["id"][:, 1]
    order = np.lexsort((lower, upper, day)).astype(np.int64)
    before, after = order[:-1], order[1:]
    same = (day[before] == day[after]) & (upper[before] == upper[after]) & (lower[before] == lower[after])
    if not same.any():
        return order
    # Equal texts seen on the same day: only their locators tell them apart, and only theirs are read.
    tied = np.zeros(len(order), dtype=bool)
    tied[:-1] |= same
    tied[1:] |= same
    documents = np.sort(order[tied])
    located = _origins(paths, starts, documents)
    sorted_rows = np.asarray(pc.sort_indices(located, [(name, "ascending") for name in LOCATOR]))
    locator = np.zeros(len(order), dtype=np.int64)
    locator[documents[sorted_rows]] = np.arange(len(documents))
    return np.lexsort((locator, lower, upper, day)).astype(np.int64)
