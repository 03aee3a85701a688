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


class ExecutionConfig(StageExecution):
    """Settings for all stages, and for single ones."""

    parallel: int = Field(default=2, ge=1)
    """Stages that are built side by side when none waits for another."""

    stages: dict[str, StageExecution] = Field(default_factory=dict)
    """Settings of single stages (`pretrain`) or families (`finetune`), in place of the general ones."""

    def of(self, node: str) -> StageExecution:
        """Returns what holds for a node: its own settings, else its family's, else the general ones."""
        own = self.stages.get(node) or self.stages.get(node.split(".")[0]) or StageExecution()
        general = {"threads": self.threads, "workers": self.workers}
        chosen = own.model_dump(exclude_none=True)
        return StageExecution.model_validate({**{k: v for k, v in general.items() if v is not None}, **chosen})
