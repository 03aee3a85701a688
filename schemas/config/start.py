"""What a pretraining starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config


class ScratchStart(Config):
    """New weights, drawn from the seed."""

    kind: Literal["scratch"] = "scratch"


class FolderStart(Config):
    """The weights of a Hugging Face folder. What counts is the bytes it holds, not where it lies."""

    kind: Literal["folder"]
    path: Annotated[Path, EXECUTION]
    """The folder: `config.json`, `tokenizer.json` and safetensors; relative to the configuration file."""


class ReferenceStart(Config):
    """The weights of a model in this store, such as another pipeline's.

    What the reference leads to is looked up once, when a run is created, and recorded with the run. What counts is the
    bytes of the model.
    """

    kind: Literal["reference"]
    reference: Annotated[str, EXECUTION, Field(pattern=r"^[^/]+/[^/]+$")]
    """`PIPELINE/STAGE`, such as `base/pretrain` or `base/finetune.titles`."""
    version: Annotated[str, EXECUTION] = ""
    """A version of it (`nightmill ls`); left out, the latest."""


class ContinueStart(Config):
    """This pipeline's own model of an earlier night; new weights on the first.

    The parent is the latest model of a night before the run's date. It is chosen when a run is created, and counts by
    its bytes: a run that is repeated has the parent it had, and one that brings nothing new trains nothing. The
    schedule of `pretrain` is that of each night: the learning rate warms up again, and the optimisers begin anew.
    """

    kind: Literal["continue"]
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps of a night that has a parent; without this and `tokens`, the budget of `pretrain`."""
    tokens: int | None = Field(default=None, ge=1)
    """The budget of such a night as tokens read, in place of `steps`."""
    learning_rate: float | None = Field(default=None, gt=0.0)
    """Highest learning rate of such a night; left out, `pretrain.learning_rate`."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Steps of linear rise of such a night; left out, `pretrain.schedule.warmup_steps`."""
    replay: float | None = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of such a night's blocks that hold text which the parent was trained on; the rest hold new text.
    None reads old and new alike, as they lie."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.steps is not None and self.tokens is not None:
            raise ValueError("give the budget of a later night as steps or as tokens, not both")
        return self


StartConfig = Annotated[ScratchStart | FolderStart | ReferenceStart | ContinueStart, Field(discriminator="kind")]
