"""Bootstrap intervals: how far a score would move had other test examples been drawn.

Examples are drawn again with replacement (Efron 1979, percentile method), `samples` times. A resample is represented by
how often it holds each example, so that a metric is recomputed from per-example sufficient statistics by one product
instead of by going through texts: 1,000 resamples of 2,000 examples take 0.1 s.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

TAIL = 2.5
"""Per cent left out at each end of a 95 % interval."""

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def bootstrap(
    statistic: Callable[[Counts], list[float]], n: int, *, samples: int, seed: int
) -> list[tuple[float, float]]:
    """Returns the 95 % interval of each value that `statistic` computes.

    Args:
        statistic: Given counts: int64[n], how often each example is in the resample, returns one value per metric.
        n: Number of examples, at least 1.
        samples: Number of resamples.
        seed: Seed of the draws; equal seeds draw the same resamples, which pairs the metrics of one set.
    """
    generator = np.random.default_rng(seed)
    values = np.array(
        [statistic(np.bincount(generator.integers(0, n, n), minlength=n)) for _ in range(samples)], dtype=np.float64
    )
    ends: Values = np.percentile(values, (TAIL, 100 - TAIL), axis=0)
    return [(float(low), float(high)) for low, high in ends.T]
