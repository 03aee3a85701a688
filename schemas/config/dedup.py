"""Settings of `dedup`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import Config


class DedupConfig(Config):
    """When two documents of one language count as the same.

    Candidates share at least one band of their MinHash signatures; with 14 bands of 8 values a pair of Jaccard
    similarity 0.8 becomes one with probability 0.92, of 0.85 with 0.99, of 0.5 with 0.05. Candidates are then compared
    in full, so these numbers decide what is missed and how long it takes, never what is wrongly dropped.
    """

    threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Jaccard similarity of two documents' shingle sets from which they are near-duplicates."""

    ngram_words: int = Field(default=5, ge=1, le=32)
    """Words in a shingle, for languages that put spaces between words."""

    ngram_chars: int = Field(default=5, ge=1, le=32)
    """Characters in a shingle, for Chinese; whitespace and punctuation do not count."""

    permutations: int = Field(default=112, ge=8, le=1024)
    """Values in a MinHash signature, 4 bytes each."""

    bands: int = Field(default=14, ge=1)
    """Bands that a signature is cut into; must divide `permutations`."""

    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    """Seed of the permutations."""

    keep: Literal["earliest"] = "earliest"
    """Which document of a cluster stays: the one first seen, ties by id."""

    @model_validator(mode="after")
    def _bands_divide(self) -> Self:
        if self.permutations % self.bands:
            raise ValueError(f"bands ({self.bands}) must divide permutations ({self.permutations})")
        return self
