"""Scores of an evaluated model: `scores.json`, a list of these, is the content of `evaluate`'s output `scores`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Baseline(BaseModel):
    """What a trivial method reaches on the same examples."""

    name: str
    value: float


class Score(BaseModel):
    """One metric on one set of examples, with its interval and what it must be compared with."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    task: str
    """What was evaluated: `pretrain` or the name of the fine-tuning."""
    metric: str
    """E.g. bits_per_byte, perplexity, bleu, rouge1, rougeL, accuracy, f1_macro."""
    language: str
    """en, zh or all."""
    value: float
    low: float | None = None
    """Lower end of the 95 % bootstrap interval."""
    high: float | None = None
    n: int
    """Number of examples or documents."""
    better: Literal["higher", "lower"]
    baselines: list[Baseline] = []
    learned: bool | None = None
    """Whether the model beats its baselines as far as its goal demands; None where no goal is set."""
    signature: str = ""
    """How it was computed, such as sacrebleu's signature."""


class Sample(BaseModel):
    """One generation or prediction: `samples.jsonl`, a diagnostic of `evaluate`, holds one a line."""

    task: str
    language: str
    prompt: str
    output: str
    reference: str = ""
