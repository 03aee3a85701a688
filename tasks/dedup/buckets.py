"""Which documents are worth comparing: those that share a band of their MinHash signatures, a text or an id.

Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4. The look-up tables of all parts are read a range
of hashes at a time, as many as the memory limit allows, and what shares a hash goes to files: so nothing is held of it,
however many documents there are. Where most documents were compared by an earlier build, only the hashes of the fresh
ones are looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Interrupted
from tasks.arrays.utf8 import I32, I64, U64, Bools
from tasks.dedup import comparing
from tasks.dedup.index import Corpus
from tasks.dedup.signatures import BAND_ROWS, BANDS, EQUAL_ROWS, EQUALS

BYTES_PER_ENTRY = 64
"""Held for each entry of the tables that is looked at: hash, number, order and what sorting takes."""

PLACES = 1 << 64


@dataclass(frozen=True)
class Table:
    """One of the look-up tables.

    Attributes:
        hashes: Name of the file of hashes.
        rows: Name of the file of rows.
        line: Which line of them.
        key: For equal texts and ids, the field of `KEY` that decides; empty for bands.
    """

    hashes: str
    rows: str
    line: int
    key: str = ""


@dataclass(frozen=True)
class Piece:
    """Buckets of one range of one table, on disk.

    Attributes:
        equal: Whether members of a bucket are equal, rather than worth comparing.
        members: int32 file, bucket after bucket, in each ascending by (day, number).
        whole: uint8 file, see `comparing.join_similar`.
        events: int64[n, 2] file of (begin of the bucket, place) of members that have a partner before them, by day.
        days: For each day which of the events.
    """

    equal: bool
    members: Path
    whole: Path
    events: Path
    days: dict[int, slice]


class Buckets:
    """Finds buckets and leaves them in a folder.

    Attributes:
        pieces: All that were found.
        candidates: bool[documents], those to be compared with another.
        copies: bool[documents], those whose text and language another has that is compared for them. Those of documents
            that are not fresh are known; the others are found with the equal texts.
    """

    def __init__(
        self, corpus: Corpus, days: I32, fresh: Bools, copies: Bools, folder: Path, memory: int, number: int
    ) -> None:
        self.pieces: list[Piece] = []
        self.candidates: Bools = np.zeros(corpus.size, dtype=bool)
        self.copies = copies
        self._corpus = corpus
        self._days = days
        self._fresh = fresh
        self._all_fresh = bool(fresh.all())
        self._folder = folder / f"buckets-{number}"
        self._memory = memory

    def find(self, bands: int, stopping: Callable[[], bool], progress: Callable[[int, int], None]) -> None:
        """Finds what shares a text, an id, or one of the bands.

        Raises:
            Interrupted: The run is to stop.
        """
        self._folder.mkdir()
        tables = [Table(EQUALS, EQUAL_ROWS, line, key) for line, key in enumerate(("exact", "id"))]
        tables += [Table(BANDS, BAND_ROWS, band) for band in range(bands)]
        for number, table in enumerate(tables):
            wanted = None if self._all_fresh else self._wanted(table)
            entries = self._corpus.size if wanted is None else min(self._corpus.size, 4 * len(wanted))
            ranges = 1 + entries * BYTES_PER_ENTRY // self._memory
            for place in range(ranges):
                if stopping():
                    raise Interrupted("stopped while looking for candidates")
                low, high = place * PLACES // ranges, (place + 1) * PLACES // ranges - 1
                hashes, documents = self._gather(table, wanted, np.uint64(low), np.uint64(high))
                self._group(table, hashes, documents)
            progress(number + 1, len(tables))

    def _wanted(self, table: Table) -> U64:
        """Returns the hashes that fresh documents have in a table, ascending and each once."""
        found = []
        for number, part in enumerate(self._corpus.parts):
            fresh = self._fresh[self._corpus.starts[number] : self._corpus.starts[number + 1]]
            if fresh.any():
                found.append(part.load(table.hashes)[table.line][fresh[part.load(table.rows)[table.line]]])
        return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.uint64)

    def _gather(self, table: Table, wanted: U64 | None, low: np.uint64, high: np.uint64) -> tuple[U64, I32]:
        """Returns hashes in a range, and whose they are, out of all parts."""
        hashes, documents = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int32)]
        if wanted is not None:
            wanted = wanted[np.searchsorted(wanted, low) : np.searchsorted(wanted, high, side="right")]
            if not len(wanted):
                return hashes[0], documents[0]
        for number, part in enumerate(self._corpus.parts):
            line = part.load(table.hashes)[table.line]
            begin, end = np.searchsorted(line, low), np.searchsorted(line, high, side="right")
            found, rows = line[begin:end], part.load(table.rows)[table.line][begin:end]
            if wanted is not None:
                places = comparing.overlap(found, wanted)
                found, rows = found[places], rows[places]
            hashes.append(np.asarray(found))
            documents.append(rows.astype(np.int32) + np.int32(self._corpus.starts[number]))
        return np.concatenate(hashes), np.concatenate(documents)

    def _group(self, table: Table, hashes: U64, documents: I32) -> None:
        if not table.key:
            compared = ~self.copies[documents]
            hashes, documents = hashes[compared], documents[compared]
        order = np.argsort(hashes)
        hashes, documents = hashes[order], documents[order]
        groups, shared = _shared(hashes[1:] != hashes[:-1], len(hashes))
        documents, groups = documents[shared], groups[shared]
        if table.key and len(documents):
            keys = self._corpus.rows(documents, table.key, "language", "comparable")
            lower = keys[table.key][:, 1]
            order = np.lexsort((lower, groups))
            documents, groups, lower, keys = documents[order], groups[order], lower[order], keys[order]
            groups, shared = _shared((groups[1:] != groups[:-1]) | (lower[1:] != lower[:-1]), len(groups))
            documents, groups, keys = documents[shared], groups[shared], keys[shared]
            if table.key == "exact":
                self._mark_copies(documents, groups, keys["language"])
        if not self._all_fresh and len(documents):
            concerned = np.logical_or.reduceat(self._fresh[documents], _begins(groups))[_numbered(groups)]
            documents, groups = documents[concerned], groups[concerned]
        if len(documents):
            self._keep(bool(table.key), documents, groups)

    def _mark_copies(self, documents: I32, groups: I64, languages: npt.NDArray[Any]) -> None:
        # The earliest is compared for all, so that its pairs are of the day on which there was the first of them.
        order = np.lexsort((documents, self._days[documents], self._fresh[documents], languages, groups))
        documents, groups, languages = documents[order], groups[order], languages[order]
        later = np.zeros(len(documents), dtype=bool)
        later[1:] = (groups[1:] == groups[:-1]) & (languages[1:] == languages[:-1])
        self.copies[documents[later & self._fresh[documents]]] = True

    def _keep(self, equal: bool, documents: I32, groups: I64) -> None:
        days = self._days[documents]
        order = np.lexsort((documents, days, groups))
        documents, days, groups = documents[order], days[order], groups[order]
        starts = _begins(groups)
        begins = starts[_numbered(groups)]
        if not equal:
            self.candidates[documents] = True
        places = np.arange(len(documents))
        fresh = self._fresh[documents]
        before: I64 = np.cumsum(fresh) - fresh
        concerned = fresh | (before > before[begins])
        # Members of which no partner is fresh are left out: their bucket is not known to be one tree.
        whole = np.ones(len(documents), dtype=np.uint8)
        whole[begins[~concerned & (places > begins)]] = 0
        chosen = np.flatnonzero(concerned & (places > begins))
        chosen = chosen[np.argsort(days[chosen], kind="stable")]
        found, first = np.unique(days[chosen], return_index=True)
        ends = [*first[1:].tolist(), len(chosen)]
        stem = f"{len(self.pieces):06}"
        members, flags, events = (self._folder / f"{stem}-{name}.npy" for name in ("members", "whole", "events"))
        np.save(members, documents, allow_pickle=False)
        np.save(flags, whole, allow_pickle=False)
        np.save(events, np.stack([begins[chosen], chosen], axis=1), allow_pickle=False)
        spans = {day: slice(begin, end) for day, begin, end in zip(found.tolist(), first.tolist(), ends, strict=True)}
        self.pieces.append(Piece(equal, members, flags, events, spans))


def _shared(differs: Bools, count: int) -> tuple[I64, Bools]:
    """Numbers groups of equal neighbours; returns that, and which elements are not alone in theirs."""
    first = np.ones(count + 1, dtype=bool)
    first[1:-1] = differs
    if not count:
        return np.zeros(0, dtype=np.int64), first[:0]
    return np.cumsum(first[:-1]) - 1, ~(first[:-1] & first[1:])


def _begins(groups: I64) -> I64:
    """Returns where each group of ascending numbers begins."""
    return np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))


def _numbered(groups: I64) -> I64:
    """Numbers the groups from 0 without gaps."""
    return np.cumsum(np.concatenate([[0], groups[1:] != groups[:-1]]))
