"""Settings of `finetune`: one task learnt from labelled examples, from the pretrained model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from schemas.config.base import EXECUTION, Config
from schemas.config.training import OptimizerConfig, Precision, ScheduleConfig, resolve_precision


class FinetuneConfig(Config):
    """How one task is learnt. The budget is a number of steps, never of seconds.

    From a model of pretraining's defaults, 60 steps of 16 examples of up to 160 tokens took 50 CPU seconds. A
    classifier of 22 classes learnt more at 0.006 than at 0.003 (accuracy .61 against .57), a writer of summaries less
    at 0.008 than at 0.003 (5.79 nats a token against 5.62).
    """

    kind: Literal["generation", "classification"]
    """`generation`: the target is a text that the model writes; `classification`: it is one of a few labels."""
    examples: Annotated[str, EXECUTION]
    """Name of the labelled set. What counts is what the set holds, so a new name alone rebuilds nothing."""
    steps: int = Field(default=60, ge=1)
    """Optimiser steps; a step reads `batch_size` examples."""
    batch_size: int = Field(default=16, ge=1)
    """Examples a step."""
    micro_batch_size: int = Field(default=8, ge=1)
    """Examples a forward pass."""
    max_input_tokens: int = Field(default=160, ge=1)
    """An input's tokens beyond this are cut off."""
    max_target_tokens: int = Field(default=64, ge=1)
    """A target text's tokens beyond this are cut off (generation only)."""
    max_labels: int = Field(default=1000, ge=2)
    """More labels than this are taken for a mistake (classification only)."""
    learning_rate: float = Field(default=0.003, gt=0.0)
    """Highest learning rate."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights are updated."""
    schedule: ScheduleConfig = ScheduleConfig()
    """How the learning rate moves."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability that an attention weight is dropped in training."""
    precision: Precision = "auto"
    """`fp32`; `bf16`: matrix products in bfloat16; `auto`: what this class of processor does fastest."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Of a new head, of the order of examples and of dropout."""
    valid_examples: int = Field(default=200, ge=1)
    """Examples of the validation split that its loss is computed on, at most."""
    evaluate_every: Annotated[int, EXECUTION] = Field(default=0, ge=0)
    """Steps between validations; 0 validates only at the end."""
    checkpoint_every: Annotated[int, EXECUTION] = Field(default=20, ge=1)
    """Steps between checkpoints: what a kill costs at most."""

    def resolved(self, host_class: str) -> Self:
        """Returns this configuration with every `auto` replaced, for the class of host that it will run on."""
        return self.model_copy(update={"precision": resolve_precision(self.precision, host_class)})
