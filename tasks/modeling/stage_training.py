"""A training as a stage does it: settings from its configuration, checkpoints and step log in its folders, progress.

Context and configuration are described by what is used of them, so that a bare worker can load this without the
libraries that they bring.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

from tasks.modeling import step_log
from tasks.modeling.bad_steps import BadStepSettings
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.objectives import Objective
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.precision import Precision
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.step_log import StepRecord
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Batches, Callbacks, StepTimings, TrainResult, TrainSettings


class TrainingContext(Protocol):
    """What a training needs of a stage's context."""

    @property
    def checkpoints(self) -> Path: ...
    @property
    def folder(self) -> Path: ...
    def progress(self, done: float, total: float, unit: str, **figures: float) -> None: ...
    def resumed(self, what: str) -> None: ...
    def stopping(self) -> bool: ...
    def warn(self, message: str) -> None: ...
    def lead(self) -> None: ...
    def report(self, **figures: Any) -> None: ...
    def add_diagnostic(self, name: str, file: Path) -> None: ...


class TrainingConfig(Protocol):
    """What pretraining's and fine-tuning's configurations have in common, every `auto` resolved."""

    @property
    def planned_steps(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def micro_batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def optimizer(self) -> Any: ...
    @property
    def schedule(self) -> Any: ...
    @property
    def ema_decay(self) -> float: ...
    @property
    def device(self) -> Any: ...
    @property
    def compile(self) -> bool: ...
    @property
    def activation_checkpointing(self) -> bool: ...
    @property
    def bad_steps(self) -> Any: ...
    @property
    def patience(self) -> int: ...
    @property
    def export(self) -> Literal["last", "best"]: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def checkpoint_minutes(self) -> float | None: ...
    @property
    def keep_checkpoints(self) -> int: ...
    @property
    def evaluate_every(self) -> int: ...


def train_in_stage(
    context: TrainingContext,
    config: TrainingConfig,
    model: Any,
    objective: Objective,
    batches: Batches,
    validate: Callable[[Any], float],
    precision: Precision,
) -> TrainResult:
    """Trains a model in place, from its last checkpoint if there is one, and keeps the step log as a diagnostic.

    Returns in the first of several processes only: the others have then done their part of the build.

    Args:
        context: The stage's context.
        config: Its settings.
        model: A model of transformers.
        objective: Loss of a batch.
        batches: Returns the batch of a number of samples from a position on.
        validate: Returns the validation loss of the model.
        precision: Of matrix products, resolved.

    Raises:
        Interrupted: The run is to stop; a checkpoint is kept.
        StageFailed: A bad step was met that the settings do not bear.
    """
    steps = config.planned_steps

    def on_step(record: StepRecord, timings: StepTimings) -> None:
        context.progress(record.step, steps, "steps", loss=record.loss, tokens_per_second=timings.tokens_per_second)

    settings = TrainSettings(
        steps=steps,
        batch_size=config.batch_size,
        micro_batch_size=min(config.micro_batch_size, config.batch_size),
        seed=config.seed,
        precision=precision,
        optimizer=OptimizerSettings(learning_rate=config.learning_rate, **config.optimizer.model_dump()),
        schedule=ScheduleSettings(**config.schedule.model_dump()),
        checkpoint_every=config.checkpoint_every,
        checkpoint_minutes=config.checkpoint_minutes,
        evaluate_every=config.evaluate_every,
        device=config.device,
        compiled=config.compile,
        activation_checkpointing=config.activation_checkpointing,
        ema_decay=config.ema_decay,
        bad_steps=BadStepSettings(**config.bad_steps.model_dump()),
        patience=config.patience,
        export=config.export,
    )
    callbacks = Callbacks(
        evaluate=validate,
        on_step=on_step,
        on_resume=lambda step: context.resumed(f"step {step}"),
        on_event=context.warn,
        stopping=context.stopping,
    )
    checkpoints = Checkpoints(context.checkpoints, context.warn, config.keep_checkpoints)
    result = train(model, objective, batches, settings, checkpoints, callbacks)
    context.lead()
    context.report(
        steps=result.steps,
        exported_step=result.exported_step,
        processes=result.world.size,
        bit_exact=result.bit_exact,
        bad_steps=[asdict(event) for event in result.state.events],
    )
    log = context.folder / step_log.NAME
    shutil.copyfile(checkpoints.folder / step_log.NAME, log)
    context.add_diagnostic(step_log.NAME, log)
    return result
