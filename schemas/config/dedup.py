"""Settings of `dedup`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config


class DedupConfig(Config):
    """When two documents of one language count as the same, and which of them stays.

    Candidates share at least one band of their MinHash signatures; with 14 bands of 8 values, and as many that cross
    them, a pair of Jaccard similarity 0.8 becomes one with probability 0.99, of 0.5 with 0.10. Candidates are then
    compared in full, so these numbers decide what is missed and how long it takes, never what is wrongly dropped.
    """

    threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Jaccard similarity of two documents' shingle sets from which they are near-duplicates."""

    ngram_words: int = Field(default=5, ge=1, le=32)
    """Words in a shingle, for languages that put spaces between words."""

    ngram_chars: int = Field(default=5, ge=1, le=32)
    """Characters in a shingle, for Chinese; whitespace and punctuation do not count."""

    permutations: int = Field(default=112, ge=8, le=1024)
    """Values in a MinHash signature, 4 bytes each."""

    bands: Annotated[int, Field(ge=1)] | Literal["optimal"] = 14
    """Bands that a signature is cut into; a number must divide `permutations`.

    `optimal` takes as many bands and values a band as datasketch would for `threshold`. For 0.8 it finds 9 bands of 12
    values, which pass only half of the pairs at similarity 0.8.
    """

    crossed: bool = True
    """Whether there are as many bands again, each of values that lie in different ones of the others.

    Without them a pair of similarity 0.8 becomes a candidate with probability 0.92, and an index takes 168 bytes a
    document less.
    """

    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    """Seed of the permutations."""

    keep: Literal["earliest", "longest", "best"] = "earliest"
    """Which document of a cluster stays.

    `earliest`: the one first seen. `longest`: the one of most characters. `best`: the one with the greatest product of
    its share of letters and digits and of its length in them, counted up to 4 KiB. Ties fall to the least id, and where
    ids are equal to the locator.
    """

    memory_mib: Annotated[int, EXECUTION, Field(ge=16)] = 256
    """What is held at a time, beyond 32 bytes a document; less means more passes over the same files."""

    @model_validator(mode="after")
    def _bands_divide(self) -> Self:
        if self.bands != "optimal" and self.permutations % self.bands:
            raise ValueError(f"bands ({self.bands}) must divide permutations ({self.permutations})")
        return self
