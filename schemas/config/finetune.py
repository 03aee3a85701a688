"""Settings of `finetune`: one task learnt from labelled examples, from the pretrained model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.config.base import EXECUTION
from schemas.config.training import TrainingConfig


class FinetuneConfig(TrainingConfig):
    """How one task is learnt. The budget is steps or tokens, never seconds.

    From a model of pretraining's defaults, 60 steps of 16 examples of up to 160 tokens took 50 CPU seconds. A
    classifier of 22 classes learnt more at 0.006 than at 0.003 (accuracy .61 against .57), a writer of summaries less
    at 0.008 than at 0.003 (5.79 nats a token against 5.62).
    """

    kind: Literal["generation", "classification"]
    """`generation`: the target is a text that the model writes; `classification`: it is one of a few labels."""
    examples: Annotated[str, EXECUTION]
    """Name of the labelled set. What counts is what the set holds, so a new name alone rebuilds nothing."""
    steps: int | None = Field(default=60, ge=1)
    """Optimiser steps; a step reads `batch_size` examples. This or `tokens` is the budget."""
    batch_size: int = Field(default=16, ge=1)
    """Examples a step."""
    max_input_tokens: int = Field(default=160, ge=1)
    """An input's tokens beyond this are cut off."""
    max_target_tokens: int = Field(default=64, ge=1)
    """A target text's tokens beyond this are cut off (generation only)."""
    max_labels: int = Field(default=1000, ge=2)
    """More labels than this are taken for a mistake (classification only)."""
    learning_rate: float = Field(default=0.003, gt=0.0)
    """Highest learning rate."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the target that goes to all answers alike, in training."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability that an attention weight is dropped in training."""
    valid_examples: int = Field(default=200, ge=1)
    """Examples of the validation split that its loss is computed on, at most."""
    checkpoint_every: Annotated[int, EXECUTION] = Field(default=20, ge=0)
    """Steps between checkpoints: what a kill costs at most; 0 for none but by `checkpoint_minutes`."""

    @property
    def tokens_per_sample(self) -> int:
        """Tokens of the longest example that is not cut."""
        return self.max_input_tokens + (self.max_target_tokens if self.kind == "generation" else 0)
