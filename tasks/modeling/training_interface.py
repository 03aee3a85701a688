"""What a training is told, what it tells while it runs, and what it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.modeling.bad_steps import BadStepSettings
from tasks.modeling.objectives import Batch
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.parallel import World
from tasks.modeling.precision import Device, Precision
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.step_log import StepRecord
from tasks.modeling.training_state import TrainingState

Batches = Callable[[int, int], Batch]
"""`batches(position, count)`: the samples at positions `position … position + count - 1`; a pure function."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What decides a training, model, objective and data apart.

    Attributes:
        steps: Optimiser steps.
        batch_size: Samples a step, a multiple of the number of processes.
        micro_batch_size: Samples a forward pass of one process; it changes rounding only.
        seed: Of dropout.
        precision: Of matrix products.
        optimizer: Settings of the optimisers.
        schedule: Settings of the learning rate.
        checkpoint_every: Steps between checkpoints; 0 for none but by time.
        checkpoint_minutes: Minutes between checkpoints, besides; they decide nothing.
        evaluate_every: Steps between validations; 0 validates only at the end.
        device: What it trains on.
        compiled: Whether blocks are compiled.
        activation_checkpointing: Whether activations are computed again in the backward pass.
        ema_decay: Of the running mean of the weights; 0 keeps none.
        bad_steps: What happens at a loss that is no number or a spike.
        patience: Validations without a lower loss that end the training; 0 never does.
        export: Which weights are left in the model.
    """

    steps: int
    batch_size: int
    micro_batch_size: int
    seed: int
    precision: Precision
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    checkpoint_every: int
    checkpoint_minutes: float | None = None
    evaluate_every: int = 0
    device: Device = "cpu"
    compiled: bool = False
    activation_checkpointing: bool = False
    ema_decay: float = 0.0
    bad_steps: BadStepSettings = field(default_factory=BadStepSettings)
    patience: int = 0
    export: Literal["last", "best"] = "last"


@dataclass(slots=True)
class StepTimings:
    """Where the seconds of one step went, on the clock of the first process; what a clock tells decides nothing.

    On CUDA, work is timed where the processor waits for it. A step that was made again counts whole.

    Attributes:
        tokens_per_second: Of all processes, over all steps since this one started, validation and checkpoints apart.
        seconds: By `data`, `forward`, `backward`, `optimizer`, `validation` and `checkpoint`.
    """

    tokens_per_second: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How a training speaks to what started it. Of several processes each has its own; the first one's are told.

    Attributes:
        evaluate: Returns the validation loss of the model, in every process; may be None.
        on_step: Told of each step.
        on_resume: Told the step that a checkpoint goes on from.
        on_event: Told, in words, of each bad step, and of what makes the result not bit-exact.
        stopping: True once the training is to save and stop.
    """

    evaluate: Callable[[Any], float] | None = None
    on_step: Callable[[StepRecord, StepTimings], None] = lambda record, timings: None
    on_resume: Callable[[int], None] = lambda step: None
    on_event: Callable[[str], None] = lambda message: None
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training came to.

    Attributes:
        records: Every step since the first, also those of processes before.
        tokens_per_second: Of this process's steps, validation and checkpoints apart; 0 when none was left to do.
        state: Where it ended.
        exported_step: The step whose weights are in the model.
        world: The processes that it ended in.
    """

    records: list[StepRecord]
    tokens_per_second: float
    state: TrainingState
    exported_step: int
    world: World

    @property
    def steps(self) -> int:
        """Steps made: fewer than planned if it stopped early."""
        return self.state.step

    @property
    def tokens(self) -> int:
        """Predictions trained on."""
        return self.state.tokens

    @property
    def bit_exact(self) -> bool:
        """Whether all of it ran in one kind of process, so that the same again gives the same bytes."""
        return len(set(self.state.places)) <= 1

    @property
    def valid_loss(self) -> float | None:
        """The validation loss of the exported weights."""
        found = (r.valid_loss for r in reversed(self.records) if r.step <= self.exported_step)
        return next((loss for loss in found if loss is not None), None)

    def mean_loss(self, last: int) -> float:
        """Mean training loss of the last steps."""
        losses = [record.loss for record in self.records[-last:]]
        return sum(losses) / len(losses)
