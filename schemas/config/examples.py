"""Configuration of `examples.<name>`: one labelled set for fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config


class ExamplesConfig(Config):
    """A labelled set: where it is, which fields to read, how it is split."""

    path: Annotated[Path, EXECUTION]
    """A file of JSON lines (`.jsonl`, `.jsonl.gz`) or Parquet, or a folder of such; relative to the configuration."""

    format: Literal["auto", "jsonl", "parquet"] = "auto"
    """What the files hold; `auto` goes by the suffix."""

    kind: Literal["generation", "classification"]
    """Whether a target is a text to be written, or one of a few labels."""

    input: str = Field("input", min_length=1)
    """The field that holds the input."""

    target: str = Field("target", min_length=1)
    """The field that holds the target: a text, or a label (a text, a whole number, true or false)."""

    language: Literal["en", "zh"] | None = None
    """The language of all inputs; give this or `language_field`."""

    language_field: str | None = Field(None, min_length=1)
    """The field that holds `en` or `zh`; give this or `language`."""

    valid_fraction: float = Field(0.1, gt=0, lt=1)
    """Share of the examples that is held out for validation while training."""

    test_fraction: float = Field(0.1, gt=0, lt=1)
    """Share of the examples that is held out for evaluation."""

    seed: int = 0
    """Another seed gives another split."""

    max_examples: int | None = Field(None, ge=1)
    """At most so many examples, chosen evenly by their inputs; all by default."""

    min_split_examples: int = Field(10, ge=1)
    """A split with fewer examples is an error: nothing can be said from it."""

    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    """The run stops (exit 4) when a larger share of the records cannot be used."""

    max_record_bytes: int = Field(1024**2, ge=1)
    """Longer records are quarantined unread."""

    @model_validator(mode="after")
    def _consistent(self) -> ExamplesConfig:
        if (self.language is None) == (self.language_field is None):
            raise ValueError("give either `language` (all inputs) or `language_field` (one per record)")
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("`valid_fraction` and `test_fraction` leave nothing to train on")
        if self.input == self.target:
            raise ValueError("`input` and `target` name the same field")
        return self
