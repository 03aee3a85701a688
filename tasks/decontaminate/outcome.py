"""What became of the documents of a shard that hold what evaluation sets say: kept, and found again by a later build.

What an earlier build found of a document stands while its text and the n-grams that decide of it are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import SHARDED
from tasks.arrays.utf8 import I64, U64
from tasks.decontaminate.matching import inside
from tasks.tables.parquet import write_table

DOCUMENTS, WINDOWS, MADE, DECIDING = "documents.parquet", "windows.npy", "made.npy", "deciding.npy"

DIGEST_BYTES = 16
"""Of a document's text: documents with the same digest need not be looked at twice."""

FOUND = pa.schema(
    [
        pa.field("share", pa.float64(), nullable=False),  # of the document's tokens that were hit
        pa.field("action", pa.string(), nullable=False),  # cut | dropped
        pa.field("text", pa.large_string()),  # what is left of it
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),  # of its text
    ]
)
"""What is found of a document."""

DESCRIPTION = ["id", "source", "path", "offset", "language"]

HIT_DOCUMENTS = pa.schema(
    [
        *[SHARDED.field(name) for name in DESCRIPTION],
        pa.field("row", pa.uint32(), nullable=False),  # in the shard
        *FOUND,
    ]
)
"""Rows of `documents.parquet`: the documents of a shard that were hit, in its order."""

WINDOW = np.dtype([("document", "<u4"), ("gram", "<u8"), ("begin", "<u4"), ("end", "<u4")])
"""An n-gram of an evaluation set in a document: its characters in the text before it was cut. `windows.npy` holds those
of all documents, by row of `documents.parquet` and then by place."""

PAIR = np.dtype([("document", "<u4"), ("gram", "<u8")])
"""An n-gram of a document, by row of `documents.parquet`: in `made.npy` what cutting made, at any round; in
`deciding.npy` what was wanted of what the document holds, or cutting made. Sorted."""

Windows = npt.NDArray[np.void]
"""`WINDOW[n]`"""

Pairs = npt.NDArray[np.void]
"""`PAIR[n]`"""


@dataclass(frozen=True)
class Outcome:
    """What became of some documents.

    Attributes:
        documents: `FOUND` and, as `row`, the number of each document.
        windows: By row of `documents`.
        made: By row of `documents`.
    """

    documents: pa.Table
    windows: Windows
    made: Pairs

    def taken(self, rows: I64, numbers: I64) -> Outcome:
        """Returns some of the documents, under other numbers."""
        place = self.documents.schema.get_field_index("row")
        chosen = self.documents.take(pa.array(rows)).set_column(place, "row", pa.array(numbers.astype(np.uint32)))
        windows, made = (_taken(array, rows) for array in (self.windows, self.made))
        return Outcome(chosen, windows, made)


def joined(outcomes: list[Outcome]) -> Outcome:
    """Returns several outcomes as one, ordered by the numbers of the documents."""
    documents = pa.concat_tables([one.documents for one in outcomes])
    starts = np.cumsum([0, *(one.documents.num_rows for one in outcomes)])[:-1]
    windows, made = (
        _shifted([getattr(one, name) for one in outcomes], starts.tolist()) for name in ("windows", "made")
    )
    order = np.argsort(documents["row"].to_numpy(), kind="stable")
    return Outcome(documents.take(pa.array(order)), _taken(windows, order), _taken(made, order))


def _shifted(arrays: list[npt.NDArray[np.void]], starts: list[int]) -> npt.NDArray[np.void]:
    found = np.concatenate(arrays)
    sizes = [len(array) for array in arrays]
    found["document"] += np.repeat(np.array(starts, dtype=np.uint32), sizes)
    return found


def _taken(array: npt.NDArray[np.void], rows: I64) -> npt.NDArray[np.void]:
    """Returns what belongs to some rows, by their places among these."""
    documents = np.ascontiguousarray(array["document"])
    first, ends = (np.searchsorted(documents, rows.astype(np.uint32), side=side) for side in ("left", "right"))
    places, owners = ranges(first, ends)
    found = array[places]
    found["document"] = owners
    return found


def ranges(first: I64, ends: I64) -> tuple[I64, I64]:
    """Returns all places of some ranges, range by range, and which of them each is of."""
    sizes = ends - first
    total = np.cumsum(sizes)
    places = np.repeat(first - (total - sizes), sizes) + np.arange(total[-1] if len(total) else 0)
    return places, np.repeat(np.arange(len(sizes)), sizes)


@dataclass(frozen=True)
class Known:
    """What an earlier build found of a shard's documents, and what decided of each."""

    outcome: Outcome
    deciding: Pairs

    @classmethod
    def read(cls, files: Mapping[str, str] | None) -> Self:
        """Reads what `write_outcome` left, or nothing."""
        if files is None:
            documents = HIT_DOCUMENTS.empty_table().select(["row", *FOUND.names])
            return cls(Outcome(documents, np.zeros(0, WINDOW), np.zeros(0, PAIR)), np.zeros(0, PAIR))
        documents = pq.read_table(files[DOCUMENTS], columns=["row", *FOUND.names], use_threads=False)
        windows, made, deciding = (np.load(files[name], allow_pickle=False) for name in (WINDOWS, MADE, DECIDING))
        return cls(Outcome(documents, windows, made), deciding)

    def with_rows(self, rows: I64) -> I64:
        """Returns for each of some rows of the shard where it is here, or -1."""
        known = self.outcome.documents["row"].to_numpy()
        found = np.full(len(rows), -1, dtype=np.int64)
        places = np.searchsorted(known, rows)
        here = np.flatnonzero(places < len(known))
        same = here[known[places[here]] == rows[here]]
        found[same] = places[same]
        return found

    def with_digests(self, digests: list[bytes]) -> I64:
        """Returns for each of some texts where one of the same digest is here, or -1."""
        rows = {digest: row for row, digest in enumerate(self.outcome.documents["digest"].to_pylist())}
        return np.array([rows.get(digest, -1) for digest in digests], dtype=np.int64)

    def standing(self, places: I64, held: Pairs, wanted: U64) -> I64:
        """Returns the places of documents of which what was found stands; -1 for the others.

        Args:
            places: int64[n], where each document is here, or -1.
            held: What is wanted of what each holds, by number of the document.
            wanted: All that is, sorted.
        """
        numbers = np.flatnonzero(places >= 0)
        now = held[places[held["document"]] >= 0]
        made = self.outcome.made[inside(self.outcome.made["gram"], wanted)]
        before = [_taken(pairs, places[numbers]) for pairs in (made, self.deciding)]
        for pairs in before:
            pairs["document"] = numbers[pairs["document"]]
        # What decides of each document now, and what decided then: equal where every pair is there twice.
        every = np.concatenate([now, *before])
        order = np.lexsort((every["gram"], every["document"]))
        documents, grams = every["document"][order], every["gram"][order]
        new = np.ones(len(every) + 1, dtype=np.bool_)
        new[1:-1] = (documents[1:] != documents[:-1]) | (grams[1:] != grams[:-1])
        bounds = np.flatnonzero(new[: len(every) + bool(len(every))])
        found = places.copy()
        found[documents[bounds[:-1][np.diff(bounds) != 2]]] = -1
        return found


def write_outcome(folder: Path, outcome: Outcome, description: pa.Table, held: Pairs, wanted: U64) -> pa.Table:
    """Writes `documents.parquet`, `windows.npy`, `made.npy` and `deciding.npy`.

    Args:
        folder: Where.
        outcome: By row of the shard.
        description: `DESCRIPTION` of each document.
        held: What is wanted of what each document holds, by row of the shard; documents that were no hit may be there.
        wanted: All that is, sorted.

    Returns:
        HIT_DOCUMENTS rows.
    """
    documents = description
    for name in HIT_DOCUMENTS.names[len(DESCRIPTION) :]:
        documents = documents.append_column(HIT_DOCUMENTS.field(name), outcome.documents[name])
    write_table(folder / DOCUMENTS, documents, HIT_DOCUMENTS)
    deciding = np.concatenate(
        [_taken(held, documents["row"].to_numpy()), outcome.made[inside(outcome.made["gram"], wanted)]]
    )
    deciding = deciding[np.argsort(deciding["document"], kind="stable")]
    for name, array in ((WINDOWS, outcome.windows), (MADE, outcome.made), (DECIDING, deciding)):
        np.save(folder / name, array, allow_pickle=False)
    return documents
