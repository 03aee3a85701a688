"""How many bands a signature is cut into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.config.dedup import DedupConfig


@dataclass(frozen=True, slots=True)
class Banding:
    """So many bands of so many values each; what a signature has beyond them is not looked at."""

    bands: int
    rows: int


def banding(config: DedupConfig) -> Banding:
    """Returns the bands that the settings ask for."""
    if config.bands == "optimal":
        return optimal(config.threshold, config.permutations)
    return Banding(config.bands, config.permutations // config.bands)


def optimal(threshold: float, permutations: int) -> Banding:
    """Returns the bands with the least sum of the areas of false positives and false negatives around a threshold.

    That is datasketch's optimum with equal weights (Leskovec, Rajaraman, Ullman, section 3.4): the chance that a pair
    of similarity s shares a band, 1 - (1 - s^rows)^bands, integrated below the threshold, and its complement above. It
    is a polynomial of degree bands · rows, which Gauss-Legendre of half as many points integrates exactly.
    """
    points, weights = np.polynomial.legendre.leggauss(permutations // 2 + 1)
    below, above = (points + 1) / 2 * threshold, threshold + (points + 1) / 2 * (1 - threshold)
    least, found = np.inf, Banding(1, 1)
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            false_positive = float(weights @ (1 - (1 - below**rows) ** bands)) * threshold / 2
            false_negative = float(weights @ ((1 - above**rows) ** bands)) * (1 - threshold) / 2
            if false_positive + false_negative < least:
                least, found = false_positive + false_negative, Banding(bands, rows)
    return found
