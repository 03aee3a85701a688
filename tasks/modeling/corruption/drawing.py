"""Random numbers of a sample: those of its seed and its position, and of nothing else.

So a resumed or a distributed training hides the same tokens, and a text that comes again in the next epoch has others
hidden, without any state.
"""

from __future__ import annotations

import numpy as np


def generators(seed: int, position: int, count: int) -> list[np.random.Generator]:
    """Returns a generator for each of `count` positions from `position` on (Philox, keyed by seed and position)."""
    return [
        np.random.Generator(np.random.Philox(key=np.array([seed, place], dtype=np.uint64)))
        for place in range(position, position + count)
    ]
