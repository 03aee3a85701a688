"""How many bands a signature is cut into."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from schemas.config.dedup import DedupConfig
from tasks.arrays.utf8 import I64

MISSED = 1e-4
"""Probability that a pair at the threshold is taken for one far below it by its signatures: next to the 1 in 100 such
pairs that share no band, nothing."""


@dataclass(frozen=True, slots=True)
class Banding:
    """So many bands of so many values each; what a signature has beyond them is not looked at.

    Attributes:
        bands: How many, of consecutive values.
        rows: Values in each.
        crossed: Whether there are as many again of values that lie in different ones of those. Of what the first miss
            they find most: a pair of similarity 0.8 shares one of 14 bands of 8 values with probability 0.92, one of 28
            with 0.99, while pairs of 0.3 do so in 2 of 1,000 cases instead of 1.
    """

    bands: int
    rows: int
    crossed: bool

    def columns(self) -> I64:
        """Returns int64[bands, rows], which values of a signature make each band."""
        values = np.arange(self.bands * self.rows).reshape(self.bands, self.rows)
        if not self.crossed or min(self.bands, self.rows) == 1:
            return values
        return np.concatenate([values, values.T.reshape(self.bands, self.rows)])


def banding(config: DedupConfig) -> Banding:
    """Returns the bands that the settings ask for."""
    if config.bands == "optimal":
        bands, rows = optimal(config.threshold, config.permutations)
        return Banding(bands, rows, config.crossed)
    return Banding(config.bands, config.permutations // config.bands, config.crossed)


def optimal(threshold: float, permutations: int) -> tuple[int, int]:
    """Returns how many bands of how many values have the least false positives and negatives around a threshold.

    That is datasketch's optimum with equal weights (Leskovec, Rajaraman, Ullman, section 3.4): the least sum of the
    chance that a pair of similarity s shares a band, 1 - (1 - s^rows)^bands, integrated below the threshold, and its
    complement above. It is a polynomial of degree bands · rows, which Gauss-Legendre of half as many points integrates
    exactly.
    """
    points, weights = np.polynomial.legendre.leggauss(permutations // 2 + 1)
    below, above = (points + 1) / 2 * threshold, threshold + (points + 1) / 2 * (1 - threshold)
    least, found = np.inf, (1, 1)
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            false_positive = float(weights @ (1 - (1 - below**rows) ** bands)) * threshold / 2
            false_negative = float(weights @ ((1 - above**rows) ** bands)) * (1 - threshold) / 2
            if false_positive + false_negative < least:
                least, found = false_positive + false_negative, (bands, rows)
    return found


def least_agreement(threshold: float, permutations: int) -> int:
    """Returns how many values two signatures must have in common for a pair to be worth comparing in full.

    Each value agrees with probability J (Broder, "On the resemblance and containment of documents", 1997), so of those
    of a pair at the threshold fewer agree with a probability of at most `MISSED`.
    """
    chance = 0.0
    for agreeing in range(permutations + 1):
        chance += math.comb(permutations, agreeing) * threshold**agreeing * (1 - threshold) ** (permutations - agreeing)
        if chance > MISSED:
            return agreeing
    return permutations
