"""What indexes share. Hashes are even, so indexes are compared range by range: what is in memory is one range of each.

An index of 64 MiB of English is about 90 MB; of all evaluation indexes together at most `RANGE_GRAMS` n-grams are held.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.arrays.utf8 import I64, U64, Bools
from tasks.decontaminate import kernels
from tasks.decontaminate.index import open_index

RANGE_GRAMS = 1 << 20
"""Evaluation n-grams that are compared at a time, on average: 8 MiB."""


def find_shared(training: Sequence[Path], evaluation: Sequence[Path]) -> list[I64]:
    """Returns for each training index the ascending places of the n-grams that any evaluation index holds."""
    total = sum(len(open_index(path)) for path in evaluation)
    ranges = 1 << max(0, int(total // RANGE_GRAMS).bit_length())
    # The first hash of each range but the first.
    limits = np.array([2**64 // ranges * number for number in range(1, ranges)], dtype=np.uint64)
    training_cuts = [_cuts(path, limits) for path in training]
    evaluation_cuts = [_cuts(path, limits) for path in evaluation]
    found: list[list[I64]] = [[] for _ in training]
    for number in range(ranges):
        wanted = [_slice(path, cuts, number) for path, cuts in zip(evaluation, evaluation_cuts, strict=True)]
        here = kernels.unique(np.concatenate(wanted)) if wanted else np.zeros(0, dtype=np.uint64)
        if not len(here):
            continue
        for places, path, cuts in zip(found, training, training_cuts, strict=True):
            places.append(kernels.shared(_slice(path, cuts, number), here) + cuts[number])
    return [np.concatenate(places) if places else np.zeros(0, dtype=np.int64) for places in found]


def _cuts(path: Path, limits: U64) -> I64:
    index = open_index(path)
    return np.concatenate([[0], np.searchsorted(index, limits), [len(index)]]).astype(np.int64)


def _slice(path: Path, cuts: I64, number: int) -> U64:
    return np.array(open_index(path)[cuts[number] : cuts[number + 1]])  # a copy: the map is let go


def count_documents(hits: Sequence[tuple[U64, I64]]) -> tuple[U64, I64]:
    """Adds up pairs of (n-grams, documents of each); returns the n-grams, sorted, and their documents."""
    if not hits:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    grams, where = np.unique(np.concatenate([one for one, _ in hits]), return_inverse=True)
    documents = np.zeros(len(grams), dtype=np.int64)
    np.add.at(documents, where, np.concatenate([counts for _, counts in hits]))
    return grams, documents


def boilerplate(grams: U64, documents: I64, answers: Sequence[Path], limit: int) -> U64:
    """Returns those n-grams that stand in more documents than the limit, and in no answer."""
    common = grams[documents > limit]
    if not len(common):
        return common
    spared = np.zeros(len(common), dtype=np.bool_)
    for path in answers:
        spared[kernels.shared(common, open_index(path))] = True
    return common[~spared]


def inside(values: U64, ordered: U64) -> Bools:
    """Tells which values a sorted array holds."""
    found = np.zeros(len(values), dtype=np.bool_)
    if len(ordered):
        places = np.searchsorted(ordered, values)
        places[places == len(ordered)] = 0
        found[:] = ordered[places] == values
    return found


def without(values: U64, other: U64) -> U64:
    """Returns, sorted and once each, the values that a sorted array does not hold."""
    found = kernels.unique(values)
    return np.delete(found, kernels.shared(found, other))
