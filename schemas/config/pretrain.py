"""Settings of `pretrain`: a model from packed text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION
from schemas.config.mixture import MixtureConfig
from schemas.config.model import ModelConfig
from schemas.config.objective import ObjectiveConfig
from schemas.config.start import ContinueStart, FolderStart, ScratchStart, StartConfig
from schemas.config.training import TrainingConfig


class PretrainConfig(TrainingConfig):
    """How the model is pretrained. The budget is steps or tokens, never seconds.

    The defaults make 4.9 M parameters from a vocabulary of 8,192 and took 207 CPU seconds in float32, about two minutes
    on two idle cores. On 23 MB of manuals (a fifth Chinese) they took validation bits per byte to .735 of a token
    unigram model's. Learning rates of 0.01 and 0.02 gave .738 and .758; at 0.01, embeddings at 0.3 and 3 times the rate
    gave .748 and .732, and six layers of width 192 gave .742. AdamW alone at 0.003 gave .839; batches of 4 with
    440 steps at 0.007 gave .751.
    """

    model: ModelConfig = ModelConfig()
    """Architecture and shape."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """What it learns to predict."""
    start: StartConfig = ScratchStart()
    """The weights it starts from: `scratch`, a `folder`, a `reference` in this store, or `continue`."""
    context_length: int = Field(default=256, ge=8, le=1 << 20)
    """Tokens in a block, the most that the model sees at once."""
    steps: int | None = Field(default=240, ge=1)
    """Optimiser steps; a step reads `batch_size` × `context_length` tokens. This or `tokens` is the budget."""
    mixture: MixtureConfig = MixtureConfig()
    """How often text of each language and source is read."""
    valid_blocks: int = Field(default=64, ge=1)
    """Blocks of the validation split that the validation loss is computed on, at most."""
    evaluate_every: Annotated[int, EXECUTION] = Field(default=60, ge=0)
    """Steps between validations; 0 validates only at the end."""

    @property
    def tokens_per_sample(self) -> int:
        """Tokens in a block."""
        return self.context_length

    def resolved(self, host_class: str) -> Self:
        """Returns this configuration with every `auto` replaced, for the class of host that it will run on."""
        resolved = super().resolved(host_class)
        return resolved.model_copy(update={"objective": self.objective.of(self.model.architecture)})

    def of_a_later_night(self) -> Self:
        """Returns the settings of a night that goes on from a parent."""
        start = self.start
        assert isinstance(start, ContinueStart), "nothing else has a parent"
        changes: dict[str, Any] = {}
        if start.steps is not None or start.tokens is not None:
            changes |= {"steps": start.steps, "tokens": start.tokens}
        if start.learning_rate is not None:
            changes["learning_rate"] = start.learning_rate
        if start.warmup_steps is not None:
            changes["schedule"] = self.schedule.model_copy(update={"warmup_steps": start.warmup_steps})
        return self.model_copy(update=changes)

    def located(self, place: Callable[[Path], Path]) -> Self:
        """Returns the settings with relative paths made absolute."""
        if not isinstance(self.start, FolderStart):
            return self
        start = self.start.model_copy(update={"path": place(self.start.path)})
        return self.model_copy(update={"start": start})

    @model_validator(mode="after")
    def _objective_suits(self) -> Self:
        self.objective.of(self.model.architecture)
        return self
