"""Settings of `validate`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from schemas.config.base import Config
from schemas.expectations import DEFAULTS, Expectation


class DriftConfig(Config):
    """What tonight's documents are compared with: the profile of an earlier night that was accepted."""

    renew_after_days: int = Field(default=30, ge=1, le=3650)
    """Age from which the baseline is replaced by the last accepted night, by the nominal date."""

    accept: str = Field(default="", max_length=100)
    """Anything new, such as today's date, takes the next documents for the baseline, however they differ from it."""

    min_documents: int = Field(default=300, ge=1)
    """Of a source and language, on both sides: with fewer, chance alone moves the index."""


class ValidateConfig(Config):
    """What must hold of the shards."""

    expectations: dict[str, Expectation | None] = Field(default_factory=dict)
    """Your own by name, beside the defaults; one with a default's name replaces it, null turns that default off."""

    examples: int = Field(default=20, ge=1, le=1000)
    """Rows that are named when an expectation fails."""

    compare_from: float = Field(default=0.8, ge=0.5, le=1)
    """Held-out documents are compared in full with those of other splits that may be at least so similar (Jaccard)."""

    ngram_words: int = Field(default=5, ge=1, le=32)
    """Words in a shingle of that comparison, for languages that put spaces between words."""

    ngram_chars: int = Field(default=5, ge=1, le=32)
    """Characters in a shingle, for Chinese; whitespace and punctuation do not count."""

    drift: DriftConfig = DriftConfig()
    """The baseline of the drift tables."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, expectation in self.expectations.items():
            if expectation is None:
                if name not in DEFAULTS:
                    raise ValueError(f"there is no default {name} to turn off; the defaults are {', '.join(DEFAULTS)}")
            elif misfit := expectation.misfit():
                raise ValueError(f"{name}: {misfit}")
        return self

    def in_force(self) -> dict[str, Expectation]:
        """Returns the expectations to check, by name."""
        merged = DEFAULTS | self.expectations
        return {name: expectation for name, expectation in sorted(merged.items()) if expectation is not None}
