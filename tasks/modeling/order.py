"""The order of training: a computed permutation, never stored, never shuffled in memory.

Sample number `i` of an epoch is a keyed permutation of `0 … n-1` at `i`: a Feistel network over the next even power of
two, walked until it falls below `n` (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
So a position, which counts samples consumed, says which sample comes next: a resumed run needs no other state, an epoch
of a billion samples takes no memory, and every sample comes once an epoch. About 4 µs a sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


_GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    """One output of SplitMix64 (Steele, Lea and Flood, 2014)."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31
