"""What indexes share. Hashes are even, so indexes are compared range by range: what is in memory is one range of each.

The n-grams of 64 MiB of English are about 90 MB; of all evaluation indexes together at most `RANGE_GRAMS` n-grams are
held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.arrays.utf8 import I64, U64, Bools
from tasks.decontaminate import ordered

Opened = Callable[[], U64]
"""Opens an array when it is looked at, so that no more than one is mapped at a time."""

RANGE_GRAMS = 1 << 20
"""Evaluation n-grams that are compared at a time, on average: 8 MiB."""


def find_shared(training: Sequence[Opened], evaluation: Sequence[Opened]) -> list[I64]:
    """Returns for each array of training n-grams the ascending places of those that any evaluation array holds.

    Args:
        training: Each opens uint64[n], sorted, without repetitions.
        evaluation: As well.
    """
    total = sum(len(one()) for one in evaluation)
    ranges = 1 << max(0, int(total // RANGE_GRAMS).bit_length())
    # The first hash of each range but the first.
    limits = np.array([2**64 // ranges * number for number in range(1, ranges)], dtype=np.uint64)
    training_cuts = [_cuts(one(), limits) for one in training if total]
    evaluation_cuts = [_cuts(one(), limits) for one in evaluation if total]
    found: list[list[I64]] = [[] for _ in training]
    for number in range(ranges if total else 0):
        wanted = [one()[cuts[number] : cuts[number + 1]] for one, cuts in zip(evaluation, evaluation_cuts, strict=True)]
        here = ordered.unique(np.concatenate(wanted))
        for places, one, cuts in zip(found, training, training_cuts, strict=True):
            places.append(ordered.shared(one()[cuts[number] : cuts[number + 1]], here) + cuts[number])
    return [np.concatenate(places) if places else np.zeros(0, dtype=np.int64) for places in found]


def held_by(grams: U64, evaluation: Sequence[Opened]) -> Bools:
    """Tells which of some sorted n-grams any evaluation array holds."""
    found = np.zeros(len(grams), dtype=np.bool_)
    if len(grams):
        for one in evaluation:
            found[ordered.shared(grams, one())] = True
    return found


def _cuts(grams: U64, limits: U64) -> I64:
    return np.concatenate([[0], np.searchsorted(grams, limits), [len(grams)]]).astype(np.int64)


def count_documents(hits: Sequence[tuple[U64, I64]]) -> tuple[U64, I64]:
    """Adds up pairs of (n-grams, documents of each); returns the n-grams, sorted, and their documents."""
    none = (np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
    grams, counts = (np.concatenate(arrays) for arrays in zip(none, *hits, strict=True))
    grams, order = ordered.sort_with(grams, np.arange(len(grams), dtype=np.uint32))
    starts = np.empty(len(grams) + 1, dtype=np.uint32)
    used = ordered.condense(grams, starts)
    return grams[:used], np.add.reduceat(counts[order], starts[:used]) if used else counts


def boilerplate(grams: U64, documents: I64, answers: Sequence[Opened], limit: int) -> U64:
    """Returns those n-grams that stand in more documents than the limit, and in no answer."""
    common = grams[documents > limit]
    if not len(common):
        return common
    spared = np.zeros(len(common), dtype=np.bool_)
    for one in answers:
        spared[ordered.shared(common, one())] = True
    return common[~spared]


def inside(values: U64, known: U64) -> Bools:
    """Tells which values a sorted array holds."""
    found = np.zeros(len(values), dtype=np.bool_)
    if len(known):
        places = np.searchsorted(known, values)
        places[places == len(known)] = 0
        found[:] = known[places] == values
    return found


def without(values: U64, other: U64) -> U64:
    """Returns, sorted and once each, the values that a sorted array does not hold."""
    found = ordered.unique(values)
    return np.delete(found, ordered.shared(found, other))
