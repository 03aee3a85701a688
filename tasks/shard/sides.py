"""On which side of the split a document falls, and where it lies in its shard: keyed hashes of ids, nothing else.

So neither depends on which other documents there are: a document added tonight moves no other, unless it joins two
clusters into one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.splits import SPLITS

_STEPS = 2**64


@dataclass(frozen=True, slots=True)
class Sides:
    """Shares of the two held-out splits, and the seed."""

    valid: float
    test: float
    seed: int

    def of(self, cluster: str, founders: Iterable[str] = ()) -> str:
        """Returns `train`, `valid` or `test` for a cluster.

        A cluster that others have merged into falls on the most held-out of their sides, so that no night moves a
        document from where it was held out into train.

        Args:
            cluster: Named by the id of its earliest document.
            founders: The clusters that it is made of; itself when there are none.
        """
        found = {self._place(founder) for founder in founders} or {self._place(cluster)}
        return min((self._side(place) for place in found), key=_HELD_OUT.index)

    def of_places(self, places: Sequence[int]) -> list[str]:
        """Returns the sides of clusters by the first half of their `keys`."""
        return [self._side(place) for place in places]

    def _place(self, cluster: str) -> int:
        return int.from_bytes(key(self.seed, cluster)[:8], "big")

    def _side(self, place: int) -> str:
        share = place / _STEPS
        if share < self.test:
            return "test"
        return "valid" if share < self.test + self.valid else "train"


_HELD_OUT = tuple(reversed(SPLITS))
"""The splits from the most held out to the least."""


def key(seed: int, identity: str) -> bytes:
    """Returns 16 even bytes: the first half decides the side of a cluster, the second the order of documents."""
    return hashlib.blake2b(identity.encode(), key=f"shard {seed}".encode(), digest_size=16).digest()
