"""A toy decoder and a toy training of it, small enough to be run a dozen times in a test."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from schemas.errors import Interrupted, StageFailed
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.models import build_model, unique_parameters
from tasks.modeling.objectives import Batch, language_modeling_loss
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.order import Order
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.step_log import StepRecord
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Batches, Callbacks, StepTimings, TrainResult, TrainSettings
from tasks.modeling.validation import mean_loss

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


def stopping_at(calls: int) -> Callable[[], bool]:
    """Returns what is true when it is asked for the time of that number, and never else."""
    asked = itertools.count(1)
    return lambda: next(asked) == calls


def toy_train(
    folder: Path,
    *,
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda message: None,
    on_resume: Callable[[int], None] = lambda step: None,
    on_step: Callable[[StepRecord, StepTimings], None] = lambda record, timings: None,
    on_event: Callable[[str], None] = lambda message: None,
    spec: ModelSpec = SPEC,
    batches: Batches = toy_batch,
    **changes: Any,
) -> tuple[Any, TrainResult]:
    """Trains the toy with checkpoints in a folder; returns the model and what the training came to."""
    settings = replace(SETTINGS, **changes)
    model = build_model(spec, seed=0)
    callbacks = Callbacks(
        evaluate=lambda trained: mean_loss(trained, language_modeling_loss, toy_batch, 7, 3, settings.precision),
        on_step=on_step,
        on_resume=on_resume,
        on_event=on_event,
        stopping=stopping,
    )
    return model, train(model, language_modeling_loss, batches, settings, Checkpoints(folder, warn), callbacks)


@contextlib.contextmanager
def _said(file: Path) -> Iterator[None]:
    """Leaves an error of the training in a file, besides raising it."""
    try:
        yield
    except StageFailed as error:
        file.write_text(str(error))
        raise


def train_process(folder: str, given: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Trains in a process of its own, which may be killed; leaves `final-<rank>.safetensors` and `told-<rank>.json`.

    Args:
        folder: Where checkpoints go.
        given: Changes of `SETTINGS`; also `stop_after`, a step to be stopped after, `lose`, a rank that kills itself at
            a step unless it has done so before, and `read`, a file to which positions that are read are added.
        environment: Which of several processes it is.
    """
    os.environ.update(environment)
    torch.set_num_threads(1)
    own, rank = Path(folder), os.environ.get("RANK", "0")
    given = dict(given)
    stop_after, lose, read = (given.pop(name, None) for name in ("stop_after", "lose", "read"))
    if "optimizer" in given:
        given["optimizer"] = replace(SETTINGS.optimizer, **given["optimizer"])
    told: dict[str, Any] = {"resumed": [], "events": [], "records": []}
    reached = 0

    def on_step(record: StepRecord, timings: StepTimings) -> None:
        nonlocal reached
        reached = record.step
        if rank == "0":
            sys.stdout.write(f"{record.step}\n")
            sys.stdout.flush()
        if lose == [int(rank), reached] and not (own / "lost").exists():
            (own / "lost").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def batches(position: int, count: int) -> Batch:
        if read is not None:
            with Path(read).open("a") as file:
                file.write("".join(f"{place}\n" for place in range(position, position + count)))
        return toy_batch(position, count)

    with contextlib.suppress(Interrupted), _said(own / f"error-{rank}.txt"):
        model, result = toy_train(
            own,
            batches=batches,
            stopping=lambda: stop_after is not None and reached >= stop_after,
            on_step=on_step,
            on_event=told["events"].append,
            on_resume=told["resumed"].append,
            **given,
        )
        told["records"] = [record.to_json() for record in result.records]
        told["bit_exact"] = result.bit_exact
        weights = {name: parameter.detach() for name, parameter in unique_parameters(model).items()}
        save_file(weights, own / f"final-{rank}.safetensors")
    (own / f"told-{rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    train_process(sys.argv[1], json.loads(sys.argv[2]), {})
