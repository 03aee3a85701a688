"""The order of training: computed, never stored, never shuffled in memory.

Sample number `i` of an epoch is a keyed permutation of `0 … n-1` at `i`: a Feistel network over the next even power of
two, walked until it falls below `n` (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
So a position, which counts samples consumed, says which sample comes next: a resumed run needs no other state, an epoch
of a billion samples takes no memory, and every sample comes once an epoch. About 4 µs a sample.

A mixture takes turns between groups of samples, each with an order of its own: which group a position belongs to, and
how many samples of it came before, is arithmetic too. Of any stretch of positions each group has its share, up to a few
samples, and a group begins anew only once all of it was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from math import lcm

_MASK = (1 << 64) - 1
_ROUNDS = 6
"""Four rounds make a strong pseudorandom permutation of large blocks; two more are for tiny ones."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which `samples` samples are visited, epoch after epoch.

    Attributes:
        samples: Number of samples, at least 1.
        seed: Another seed, another order.
    """

    samples: int
    seed: int
    _half_bits: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError("an order needs at least one sample")
        object.__setattr__(self, "_half_bits", max(1, ((self.samples - 1).bit_length() + 1) // 2))

    def sample(self, position: int) -> int:
        """Returns the sample at a position, counted from the first epoch's start."""
        epoch, place = divmod(position, self.samples)
        key = _mix(_mix(self.seed) ^ epoch)
        value = self._permute(place, key)
        while value >= self.samples:
            value = self._permute(value, key)
        return value

    def _permute(self, value: int, key: int) -> int:
        mask = (1 << self._half_bits) - 1
        left, right = value >> self._half_bits, value & mask
        for number in range(_ROUNDS):
            left, right = right, left ^ (_mix(key + number * _GOLDEN + right) & mask)
        return left << self._half_bits | right


@dataclass(frozen=True, slots=True)
class MixedOrder:
    """Takes turns between groups by their shares.

    Attributes:
        orders: Order of the samples inside each group.
        shares: How much of all samples each group is to have, relative to the others; above 0.
    """

    orders: tuple[Order, ...]
    shares: tuple[Fraction, ...]
    _weights: tuple[int, ...] = field(init=False, repr=False)
    _remaining: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.orders or len(self.orders) != len(self.shares) or min(self.shares) <= 0:
            raise ValueError("a mixture needs groups, and for each a share above 0")
        scale = lcm(*(share.denominator for share in self.shares))
        weights = [int(share * scale) for share in self.shares]
        object.__setattr__(self, "_weights", tuple(weights))
        object.__setattr__(self, "_remaining", tuple(accumulate(reversed(weights)))[::-1])

    def sample(self, position: int) -> tuple[int, int]:
        """Returns the group at a position, and the sample in it."""
        before, after = self.taken(position), self.taken(position + 1)
        group = next(group for group, (old, new) in enumerate(zip(before, after, strict=True)) if new > old)
        return group, self.orders[group].sample(before[group])

    def taken(self, position: int) -> Sequence[int]:
        """Returns how many samples of each group come before a position.

        The first group has its share of all, rounded down; the second its share of what is left, and so on. Each of
        these numbers grows by 0 or 1 from position to position, one of them by 1.
        """
        counts, left = [], position
        for weight, remaining in zip(self._weights, self._remaining, strict=True):
            count = left * weight // remaining
            counts.append(count)
            left -= count
        return counts


_GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    """One output of SplitMix64 (Steele, Lea and Flood, 2014)."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31
