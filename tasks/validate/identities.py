"""Which documents share an id, and which ids and clusters lie on several sides of the split.

Memory: 64 MiB at a time, however many documents there are; beyond that the identities are looked at slice by slice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays.utf8 import I64

AT_A_TIME = 1 << 22
"""Identities that are sorted at a time."""

Identities = npt.NDArray[np.void]
"""`measures.IDENTITY[n]` of one file."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Documents whose id or cluster another document has too: by row, counted over all files.

    Attributes:
        documents_of_id: Documents that have the row's id.
        splits_of_id: Splits that hold its id.
        splits_of_cluster: Splits that hold its cluster. Rows that nothing is said of have 1 of each.
    """

    documents_of_id: dict[int, int]
    splits_of_id: dict[int, int]
    splits_of_cluster: dict[int, int]


def find_shared(files: Sequence[Identities], splits: Sequence[str], at_a_time: int = AT_A_TIME) -> Shared:
    """Finds identities that occur more than once.

    Args:
        files: Identities of each file, in order.
        splits: The split of each file.
        at_a_time: Bounds the memory.
    """
    ids = _repeated(files, "id", at_a_time)
    clusters = _repeated(files, "cluster", at_a_time)
    ends = np.cumsum([len(file) for file in files])
    names = np.array(list(splits))

    def splits_of(rows: list[int]) -> int:
        return len(set(names[np.searchsorted(ends, rows, side="right")].tolist()))

    return Shared(
        documents_of_id={row: len(rows) for rows in ids for row in rows},
        splits_of_id={row: count for rows in ids if (count := splits_of(rows)) > 1 for row in rows},
        splits_of_cluster={row: count for rows in clusters if (count := splits_of(rows)) > 1 for row in rows},
    )


def _repeated(files: Sequence[Identities], name: str, at_a_time: int) -> list[list[int]]:
    """Returns the rows of each identity that several documents have; having none (0) is no identity."""
    total = sum(len(file) for file in files)
    slices = -(-total // at_a_time) or 1
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for number in range(slices):
        upper = _sorted_halves(files, name, number, slices)
        suspects = np.unique(upper[1:][(upper[1:] == upper[:-1]) & (upper[1:] != 0)])
        if not len(suspects):
            continue
        start = 0
        for file in files:
            rows: I64 = np.flatnonzero(np.isin(file[name][:, 0], suspects))
            for row, (high, low) in zip(rows.tolist(), file[name][rows].tolist(), strict=True):
                groups[high, low].append(start + row)
            start += len(file)
    return [rows for rows in groups.values() if len(rows) > 1]


def _sorted_halves(files: Sequence[Identities], name: str, number: int, slices: int) -> npt.NDArray[np.uint64]:
    """Returns the upper halves of the identities of one slice, sorted."""
    found = []
    for file in files:
        halves = file[name][:, 0]
        found.append(halves[halves % np.uint64(slices) == number] if slices > 1 else halves)
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.uint64)
