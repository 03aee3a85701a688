"""Which side an example is on: decided by its input alone, so that equal inputs never straddle and nothing moves when
examples are added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from schemas.config.examples import ExamplesConfig
from tasks.examples.reading import Example

_STEPS = 2**64


def position(example_id: str, seed: int, purpose: str) -> float:
    """Returns an even hash in [0, 1) of an example, other for every seed and purpose."""
    digest = hashlib.blake2b(f"{purpose} {seed} {example_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _STEPS


def choose(examples: Iterable[Example], config: ExamplesConfig) -> list[Example]:
    """Returns the examples sorted by id: at most `max_examples`, chosen evenly by their inputs."""
    found = sorted(examples, key=lambda example: example.id)
    if config.max_examples is None or len(found) <= config.max_examples:
        return found
    ranked = sorted(found, key=lambda example: (position(example.id, config.seed, "choose"), example.id))
    return sorted(ranked[: config.max_examples], key=lambda example: example.id)


def split_of(example_id: str, config: ExamplesConfig) -> str:
    """Returns `test`, `valid` or `train`."""
    place = position(example_id, config.seed, "split")
    if place < config.test_fraction:
        return "test"
    return "valid" if place < config.test_fraction + config.valid_fraction else "train"
