"""How and where stages are built: never part of an identity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config


class StageExecution(Config):
    """Settings for one stage, or for a family such as `finetune`."""

    threads: int | None = Field(default=None, ge=1)
    """Threads to compute with."""

    workers: int | None = Field(default=None, ge=1)
    """Processes that work over parts at a time."""

    placement: Literal["here"] = "here"
    """Where the stage is built. `here` is this machine."""

    launcher: Literal["process"] = "process"
    """What starts the builder. `process` is one process."""

    devices: int | None = Field(default=None, ge=1)
    """Processes of this machine that train together, as torchrun starts them: one for each CUDA device, or sharing the
    threads of the processor. Of use to stages that train; the batch size must be a multiple of it."""

    sharded: bool = False
    """Split weights and optimiser state between the devices (FSDP2), so that each holds a share of them."""

    restarts: int = Field(default=2, ge=0)
    """How often training on several devices goes on from its last checkpoint by itself when a process was lost."""


class ExecutionConfig(StageExecution):
    """Settings for all stages, and for single ones."""

    parallel: int = Field(default=2, ge=1)
    """Stages that are built side by side when none waits for another."""

    stages: dict[str, StageExecution] = Field(default_factory=dict)
    """Settings of single stages (`pretrain`) or families (`finetune`), in place of the general ones."""

    def of(self, node: str) -> StageExecution:
        """Returns what holds for a node: its own settings, else its family's, else the general ones."""
        own = self.stages.get(node) or self.stages.get(node.split(".")[0]) or StageExecution()
        general = self.model_dump(include=set(StageExecution.model_fields), exclude_unset=True)
        return StageExecution.model_validate({**general, **own.model_dump(exclude_unset=True)})
