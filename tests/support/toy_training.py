"""A toy decoder and a toy training of it, small enough to be run a dozen times in a test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.models import build_model
from tasks.modeling.objectives import Batch, language_modeling_loss
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.order import Order
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.step_log import StepRecord
from tasks.modeling.trainer import Callbacks, TrainResult, TrainSettings, train

SPEC = ModelSpec(
    vocabulary=60, hidden_size=16, layers=2, heads=2, kv_heads=1, intermediate_size=24, context_length=16, dropout=0.1
)
"""With dropout, so that a resume must restore the random generators too."""

SETTINGS = TrainSettings(
    steps=9,
    batch_size=5,
    micro_batch_size=2,
    seed=3,
    precision="fp32",
    optimizer=OptimizerSettings(learning_rate=0.01, weight_decay=0.1),
    schedule=ScheduleSettings(warmup_steps=2),
    checkpoint_every=3,
    evaluate_every=4,
)
_ORDER = Order(samples=7, seed=1)


def toy_batch(position: int, count: int) -> Batch:
    """Rows of counting numbers from a start that follows from the sample, two documents a row."""
    samples = [_ORDER.sample(place) for place in range(position, position + count)]
    counted = torch.tensor([[(3 * sample + place) % 50 + 10 for place in range(17)] for sample in samples])
    positions = torch.arange(16).repeat(count, 1)
    positions[:, 9:] -= 9
    return {"input_ids": counted[:, :-1], "labels": counted[:, 1:], "position_ids": positions}


def toy_train(
    folder: Path,
    *,
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda message: None,
    on_resume: Callable[[int], None] = lambda step: None,
    on_step: Callable[[Any, float], None] = lambda record, rate: None,
    **changes: Any,
) -> tuple[Any, TrainResult]:
    """Trains the toy with checkpoints in a folder; returns the model and what the training came to."""
    model = build_model(SPEC, seed=0)
    callbacks = Callbacks(
        evaluate=lambda trained: float(next(trained.parameters()).detach().sum()),
        on_step=on_step,
        on_resume=on_resume,
        stopping=stopping,
    )
    settings = replace(SETTINGS, **changes)
    return model, train(model, language_modeling_loss, toy_batch, settings, Checkpoints(folder, warn), callbacks)


def _tell(record: StepRecord, rate: float) -> None:
    sys.stdout.write(f"{record.step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Trains in the folder given and tells each step, so that a test can kill the process after one of them.
    torch.set_num_threads(1)
    toy_train(Path(sys.argv[1]), on_step=_tell, steps=int(sys.argv[2]))
