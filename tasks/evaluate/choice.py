"""Which test examples are scored, when not all of them are.

The choice is a keyed hash of what an example is, not of where it stands: adding one example to the test split changes
the choice by one or two at most, so that the scores of two nights stay comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def keyed_hash(identity: bytes, seed: int) -> bytes:
    """Returns 16 bytes that order examples as if by lot, differently for each seed."""
    return hashlib.blake2b(identity, digest_size=16, key=f"nightmill evaluate {seed}".encode()).digest()


def choose(identities: Sequence[bytes], languages: Sequence[str], maximum: int | None, seed: int) -> list[int]:
    """Returns the positions of at most `maximum` examples, ascending; all of them when `maximum` is None.

    Languages have equal shares as far as they have examples: by lot alone, the smaller one would be left with a dozen
    examples and an interval that says nothing.
    """
    if maximum is None or maximum >= len(identities):
        return list(range(len(identities)))
    drawn: dict[str, list[int]] = {language: [] for language in sorted(set(languages))}
    for position in sorted(
        range(len(identities)), key=lambda position: (keyed_hash(identities[position], seed), position)
    ):
        drawn[languages[position]].append(position)
    left, chosen = maximum, []
    for number, language in enumerate(sorted(drawn, key=lambda language: (len(drawn[language]), language))):
        share = min(len(drawn[language]), left // (len(drawn) - number))
        chosen += drawn[language][:share]
        left -= share
    return sorted(chosen)
