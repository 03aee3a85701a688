"""On which side of the split a document falls, and where it lies in its shard: keyed hashes of ids, nothing else.

So neither depends on which other documents there are: a document added tonight moves no other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sides:
    """Shares of the two held-out splits, and the seed."""

    valid: float
    test: float
    seed: int

    def of(self, cluster: str) -> str:
        """Returns `train`, `valid` or `test` for a cluster, named by the id of its earliest document."""
        place = _keyed("side", self.seed, cluster) / 2**64
        if place < self.test:
            return "test"
        return "valid" if place < self.test + self.valid else "train"


def shuffle_key(seed: int, document: str) -> tuple[int, str]:
    """Returns what a shard's documents are sorted by."""
    return _keyed("order", seed, document), document


def _keyed(purpose: str, seed: int, identity: str) -> int:
    key = f"{purpose} {seed}".encode()[:64]
    return int.from_bytes(hashlib.blake2b(identity.encode(), key=key, digest_size=8).digest(), "big")
