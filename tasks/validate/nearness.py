"""Near-duplicates across the split: held-out documents that resemble one of another split.

Every document of `valid` and `test` is compared with every document of the other splits by their sketches; those that
may be similar enough are then compared in full. So nothing of deduplication is trusted, its misses included.

A pair is missed only if its estimate is below `least - MARGIN`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.arrays.utf8 import I32, U32, U64
from tasks.engine.stage import JSON, InputFile, Part
from tasks.tables.rows import take_rows
from tasks.validate import kernel
from tasks.validate.measures import Shingling, shingle_sets

MARGIN = 0.15
"""A sketch of 32 falls short by more in 1 of 60 cases where the similarity is 0.8, in 1 of 5,000 where it is 0.9."""

INDEXED_AT_A_TIME = 1 << 18
"""Held-out documents that are looked for at a time: 64 MiB."""

SETS, ENDS = "sets.npy", "ends.npy"

CANDIDATES = 4
"""Documents that a held-out one is compared with in full at most: those of the greatest estimates."""


@dataclass(frozen=True, slots=True)
class Documents:
    """A measured file.

    Attributes:
        split: Its split.
        file: The shard.
        size: Documents in it.
        read: Reads their sketches, uint32[n, SKETCH], and ranks, uint64[n]: which of several equally similar ones go
            first. Read when needed, since they may be more than the memory holds.
    """

    split: str
    file: InputFile
    size: int
    read: Callable[[], tuple[U32, U64]]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A document: the number of its file, and its row there."""

    file: int
    row: int


def candidates(
    files: Sequence[Documents], least: float, at_a_time: int = INDEXED_AT_A_TIME
) -> dict[Place, list[Place]]:
    """Returns for held-out documents those of other splits that may be at least so similar, the most similar first."""
    held_out = [number for number, file in enumerate(files) if file.split != "train"]
    total = sum(files[number].size for number in held_out)
    found: dict[Place, list[Place]] = {}
    for begin in range(0, total, at_a_time):
        index = _Index(files, held_out, begin, begin + at_a_time, max(0.0, least - MARGIN))
        for number in range(len(files)):
            index.look_in(number)
        found |= index.found()
    return found


def shingle_parts(
    files: Sequence[Documents], pairs: Mapping[Place, Iterable[Place]], shingling: Shingling
) -> dict[int, Part]:
    """Returns the work of reading what pairs need to be compared in full: each file once, by its number."""
    rows: defaultdict[int, set[int]] = defaultdict(set)
    for owner, others in pairs.items():
        for place in (owner, *others):
            rows[place.file].add(place.row)
    return {
        number: Part(
            f"{files[number].split}/{files[number].file.stored.name}",
            (files[number].file,),
            {"rows": sorted(wanted), "words": shingling.words, "characters": shingling.characters},
        )
        for number, wanted in sorted(rows.items())
    }


def shingle_part(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the sets of shingles of some rows of a file, one after the other, and where each ends."""
    shingling = Shingling(part.parameters["words"], part.parameters["characters"])
    sets = shingle_sets(take_rows(part.files[0].path, part.parameters["rows"], ["language", "text"]), shingling)
    np.save(folder / SETS, np.concatenate([np.zeros(0, dtype=np.uint64), *sets]), allow_pickle=False)
    np.save(folder / ENDS, np.cumsum([0, *map(len, sets)], dtype=np.int64), allow_pickle=False)
    return {}


class Sets:
    """Sets of shingles by place, mapped into memory."""

    def __init__(self, parts: Mapping[int, tuple[Sequence[int], Path, Path]]) -> None:
        """Takes by number of the file the rows that were read, and what `shingle_part` wrote of them."""
        self._places = {number: {row: at for at, row in enumerate(rows)} for number, (rows, _, _) in parts.items()}
        self._sets = {number: np.load(sets, mmap_mode="r") for number, (_, sets, _) in parts.items()}
        self._ends = {number: np.load(ends, mmap_mode="r") for number, (_, _, ends) in parts.items()}

    def similarity(self, left: Place, right: Place) -> float:
        """Returns the Jaccard similarity of two documents."""
        return kernel.similarity(self._of(left), self._of(right))

    def _of(self, place: Place) -> U64:
        at = self._places[place.file][place.row]
        ends = self._ends[place.file]
        return np.array(self._sets[place.file][ends[at] : ends[at + 1]])


class _Index:
    """Some of the held-out documents, by the rarest values of their sketches."""

    def __init__(self, files: Sequence[Documents], held_out: Sequence[int], begin: int, end: int, least: float) -> None:
        self._all = files
        self._names = sorted({file.split for file in files})
        self._least = least
        numbers, rows, sketches, splits, before = [], [], [], [], 0
        for number in held_out:
            size = files[number].size
            inside = np.arange(max(begin - before, 0), min(end - before, size), dtype=np.int32)
            before += size
            if len(inside):
                rows.append(inside)
                numbers.append(np.full(len(inside), number, dtype=np.int32))
                splits.append(np.full(len(inside), self._names.index(files[number].split), dtype=np.uint8))
                sketches.append(files[number].read()[0][inside[0] : inside[-1] + 1])
        self._rows, self._files = np.concatenate(rows), np.concatenate(numbers)
        self._splits, self._sketches = np.concatenate(splits), np.concatenate(sketches)
        self._seen = np.empty(len(self._rows), dtype=np.int32)
        self._estimates = np.full((len(self._rows), CANDIDATES), -1, dtype=np.float32)
        self._ranks = np.zeros((len(self._rows), CANDIDATES), dtype=np.uint64)
        self._places = np.zeros((len(self._rows), CANDIDATES, 2), dtype=np.int32)
        self._values, self._owners = self._rarest(kernel.SKETCH - math.ceil(least * kernel.SKETCH) + 1)
        bits = max(1, min(24, len(self._values).bit_length()))
        self._shift = 32 - bits
        edges = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(self._shift)
        self._buckets = np.searchsorted(self._values.astype(np.uint64), edges).astype(np.int64)

    def _rarest(self, width: int) -> tuple[U32, I32]:
        """Returns so many values of each sketch, those that the fewest documents have, ascending, and whose they are.

        Of two sketches that share a values of 32, any 33 - a values of one hold a shared one.
        """
        _, where, counts = np.unique(self._sketches, return_inverse=True, return_counts=True)
        frequency = counts[where.reshape(self._sketches.shape)]
        frequency[self._sketches == kernel.EMPTY] = np.iinfo(frequency.dtype).max
        places = np.argsort(frequency, axis=1, kind="stable")[:, :width]
        values = np.take_along_axis(self._sketches, places, axis=1).ravel()
        owners = np.repeat(np.arange(len(self._rows), dtype=np.int32), places.shape[1])
        real = values != kernel.EMPTY
        order = np.argsort(values[real], kind="stable")
        return values[real][order], owners[real][order]

    def look_in(self, number: int) -> None:
        """Compares the documents of a file with the indexed ones."""
        file = self._all[number]
        sketches, ranks = file.read()
        self._seen.fill(-1)
        kernel.neighbours(
            sketches,
            ranks,
            self._names.index(file.split),
            number,
            self._sketches,
            self._splits,
            self._values,
            self._owners,
            self._buckets,
            self._shift,
            self._least,
            self._seen,
            self._estimates,
            self._ranks,
            self._places,
        )

    def found(self) -> dict[Place, list[Place]]:
        """Returns the most similar documents of the indexed ones that have any."""
        pairs: dict[Place, list[Place]] = {}
        for owner in np.flatnonzero(self._estimates[:, 0] >= 0).tolist():
            known = self._places[owner, self._estimates[owner] >= 0].tolist()
            pairs[Place(int(self._files[owner]), int(self._rows[owner]))] = [Place(*place) for place in known]
        return pairs
