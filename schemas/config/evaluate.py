"""Settings of `evaluate`, one stage in three forms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config


class EvaluateConfig(Config):
    """How a model is scored on its test split, and when it counts as having learned."""

    kind: Literal["language_modelling", "generation", "classification"] = "language_modelling"
    """What is measured; the pipeline sets it from what is evaluated."""

    task: str = "pretrain"
    """Name that the scores carry: `pretrain` or that of the fine-tuning; the pipeline sets it."""

    max_examples: int | None = Field(default=None, ge=1)
    """At most so many test documents or examples, chosen by a keyed hash of what they are, the languages in
    equal shares as far as they go; null means all of them.

    With 4.7 M parameters, 200 documents of 280 tokens, or 150 generations of 48, take about 8 CPU seconds beside 7 for
    importing the libraries.
    """

    batch_size: int = Field(default=16, ge=1)
    """Documents or examples that go through the model together; results differ with it in the last digits."""

    max_new_tokens: int = Field(default=48, ge=1)
    """Longest generation, in tokens."""

    bootstrap_samples: int = Field(default=1000, ge=20)
    """Resamples behind each 95 % interval; twenty is the least for which 2.5 % means anything."""

    seed: int = Field(default=1, ge=0)
    """Decides which examples are chosen, which baseline targets are drawn, and the resamples."""

    learned_ratio: float = Field(default=0.85, gt=0, le=1)
    """A language model has learned when its bits per byte are at most this share of the unigram model's."""

    samples: int = Field(default=6, ge=0)
    """Generations or predictions per language that are kept to be read in the report."""

    sample_tokens: int = Field(default=48, ge=1)
    """Length in tokens of the continuations that a pretrained model writes for the report, and of their prompts."""
