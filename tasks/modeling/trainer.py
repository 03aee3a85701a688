"""The one trainer, of pretraining and of every fine-tuning.

A step reads `batch_size` samples from a position that follows from the step, in micro-batches whose gradients add up,
and updates the weights once. All that decides the next step is in the checkpoint or follows from the settings, so a
training that was killed anywhere, in mid-accumulation too, ends with the bytes of one that was not. Budgets are steps,
never seconds.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from schemas.errors import Interrupted, StageFailed
from tasks.modeling.checkpoints import Checkpoints, TrainingState, generator_states, restore_generators
from tasks.modeling.objectives import Batch, Objective
from tasks.modeling.optimizers import Optimizers, OptimizerSettings
from tasks.modeling.precision import Precision, autocast
from tasks.modeling.schedules import ScheduleSettings, learning_rate_factor
from tasks.modeling.step_log import StepLog, StepRecord

Batches = Callable[[int, int], Batch]
"""`batches(position, count)`: the samples at positions `position … position + count - 1`; a pure function."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What decides a training, model, objective and data apart.

    Attributes:
        steps: Optimiser steps.
        batch_size: Samples a step.
        micro_batch_size: Samples a forward pass; it changes rounding only.
        seed: Of dropout.
        precision: Of matrix products.
        optimizer: Settings of the optimisers.
        schedule: Settings of the learning rate.
        checkpoint_every: Steps between checkpoints.
        evaluate_every: Steps between validations; 0 validates only at the end.
    """

    steps: int
    batch_size: int
    micro_batch_size: int
    seed: int
    precision: Precision
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    checkpoint_every: int
    evaluate_every: int = 0


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How a training speaks to what started it.

    Attributes:
        evaluate: Returns the validation loss of the model; may be None.
        on_step: Told of each step, with the tokens per second of this process.
        on_resume: Told the step that a checkpoint goes on from.
        stopping: True once the training is to save and stop.
    """

    evaluate: Callable[[Any], float] | None = None
    on_step: Callable[[StepRecord, float], None] = lambda record, rate: None
    on_resume: Callable[[int], None] = lambda step: None
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training came to.

    Attributes:
        records: Every step since the first, also those of processes before.
        tokens_per_second: Of this process's steps, validation and checkpoints apart; 0 when none was left to do.
    """

    records: list[StepRecord]
    tokens_per_second: float

    @property
    def tokens(self) -> int:
        """Predictions trained on."""
        return self.records[-1].tokens if self.records else 0

    @property
    def valid_loss(self) -> float | None:
        """The last validation loss."""
        return next((r.valid_loss for r in reversed(self.records) if r.valid_loss is not None), None)

    def mean_loss(self, last: int) -> float:
        """Mean training loss of the last steps."""
        losses = [record.loss for record in self.records[-last:]]
        return sum(losses) / len(losses)


def train(
    model: Any,
    objective: Objective,
    batches: Batches,
    settings: TrainSettings,
    checkpoints: Checkpoints,
    callbacks: Callbacks,
) -> TrainResult:
    """Trains a model in place, from its last checkpoint if there is one.

    Raises:
        Interrupted: `callbacks.stopping` became true; the last whole step is saved.
        StageFailed: The loss or the gradient is no number.
    """
    optimizers = Optimizers(model, settings.optimizer)
    state = checkpoints.load(model, optimizers)
    if state is None:
        _seed(settings.seed)
        state = TrainingState(step=0, tokens=0, generators=generator_states())
    else:
        restore_generators(state.generators)
        callbacks.on_resume(state.step)
    log = StepLog(checkpoints.folder, state.step)
    first_tokens, seconds = state.tokens, 0.0

    def save(reached: TrainingState) -> None:
        if reached.step > max(checkpoints.steps(), default=0):
            log.sync()
            checkpoints.save(model, optimizers, reached)

    def rate(reached: TrainingState) -> float:
        return (reached.tokens - first_tokens) / max(seconds, 1e-9)

    try:
        model.train()
        while state.step < settings.steps:
            began = time.perf_counter()
            sums = _accumulate(model, objective, batches, state.step, settings, callbacks)
            if sums is None:
                optimizers.clear()
                save(state)
                raise Interrupted(
                    f"training stopped after step {state.step} of {settings.steps}",
                    hint="the next run goes on from this step",
                )
            record = _update(optimizers, state, sums, settings)
            seconds += time.perf_counter() - began
            state = TrainingState(step=record.step, tokens=record.tokens, generators=generator_states())
            if callbacks.evaluate is not None and _is_due(state.step, settings.evaluate_every, settings.steps):
                record = StepRecord(**{**record.to_json(), "valid_loss": callbacks.evaluate(model)})
                model.train()
            log.append(record)
            if _is_due(state.step, settings.checkpoint_every, settings.steps):
                save(state)
            callbacks.on_step(record, rate(state))
    finally:
        log.close()
    model.eval()
    return TrainResult(records=log.records, tokens_per_second=rate(state))


def mean_loss(
    model: Any, objective: Objective, batches: Batches, samples: int, batch_size: int, precision: Precision
) -> float:
    """Returns the mean loss over the first samples, in nats, without touching gradients or random generators.

    Leaves the model in evaluation mode.
    """
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad(), autocast(precision):
        for start in range(0, samples, batch_size):
            loss = objective(model, batches(start, min(batch_size, samples - start)))
            total += float(loss.total)
            count += loss.count
    return total / max(count, 1)


def _accumulate(
    model: Any, objective: Objective, batches: Batches, step: int, settings: TrainSettings, callbacks: Callbacks
) -> tuple[float, int] | None:
    """Adds up the gradients of one step; None when the training is to stop."""
    total, count = 0.0, 0
    for start in range(0, settings.batch_size, settings.micro_batch_size):
        if callbacks.stopping():
            return None
        size = min(settings.micro_batch_size, settings.batch_size - start)
        batch = batches(step * settings.batch_size + start, size)
        with autocast(settings.precision):
            loss = objective(model, batch)
        loss.total.backward()  # type: ignore[no-untyped-call]
        total += loss.total.item()
        count += loss.count
    return total, count


def _update(
    optimizers: Optimizers, state: TrainingState, sums: tuple[float, int], settings: TrainSettings
) -> StepRecord:
    total, count = sums
    if count == 0:
        raise StageFailed(
            f"step {state.step + 1} has nothing to predict: every label is masked",
            hint="give the stage longer documents or examples",
        )
    factor = learning_rate_factor(state.step, settings.steps, settings.schedule)
    norm = optimizers.step(factor, count) if math.isfinite(total) else math.nan
    if not (math.isfinite(total) and math.isfinite(norm)):
        raise StageFailed(
            f"the loss at step {state.step + 1} is no number (loss {total / count}, gradient norm {norm})",
            hint="lower the learning rate, lengthen the warmup, or train with precision fp32",
        )
    return StepRecord(
        step=state.step + 1,
        tokens=state.tokens + count,
        loss=total / count,
        learning_rate=settings.optimizer.learning_rate * factor,
        gradient_norm=norm,
    )


def _is_due(step: int, every: int, steps: int) -> bool:
    return step == steps or (every > 0 and step % every == 0)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)
