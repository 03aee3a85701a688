"""Our trainer on the GPT-2 that a pipeline builds, taking turns: the side of `bench_train.py` that is measured.

`loop` in the settings says what runs: `trainer` is the whole trainer, `bare` nothing but forward, backward and step on
batches made beforehand. `loss` is `chunked`, or `materialised` for the model's own logits; `optimizer` is `default` for
that of a pipeline, or `adamw`, which is what peers train with.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from train_turns import Finished, Turns

from schemas.config.pretrain import PretrainConfig
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.checkpoints import Checkpoints, Snapshot
from tasks.modeling.models import build_model, unique_parameters
from tasks.modeling.objectives import Batch, Loss, Objective, language_modeling_loss
from tasks.modeling.optimizers import Optimizers, OptimizerSettings
from tasks.modeling.parameter_groups import gathered
from tasks.modeling.precision import autocast, optimizer_products, prepare_process
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Batches, Callbacks, TrainSettings
from tasks.modeling.training_state import TrainingState
from tasks.pretrain.blocks import mixed_blocks
from tasks.pretrain.samples import learning
from tasks.tokens.token_set import TokenSet, open_token_set

SAVES = 5
"""Checkpoints written to learn what one costs."""


def open_split(folder: Path, split: str) -> TokenSet:
    """Opens a split of `train_data.py`."""
    return open_token_set([(folder / f"{split}.bin", folder / f"{split}.idx")])


def training_samples(folder: Path, model: Any, context: int, seed: int) -> Batches:
    """Returns the batches that `pretrain` reads of the training split."""
    blocks = mixed_blocks("train", open_split(folder, "train"), context, seed)
    return learning(PretrainConfig().objective.of(model.config.model_type), model, [], seed).samples(blocks.batch)


def materialised(model: Any, batch: Batch) -> Loss:
    """Next-token prediction from the model's own logits."""
    logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    labels = batch["labels"].flatten()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels, reduction="sum")
    return Loss(total, int((labels >= 0).sum()))


def run_bare(model: Any, objective: Objective, batches: Batches, settings: dict[str, Any], turns: Turns) -> None:
    """Forward, backward, clip and step, nothing else."""
    prepared = [batches(place * settings["batch"], settings["batch"]) for place in range(8)]
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=settings["learning_rate"], betas=(0.9, 0.95), fused=True)
    number = 0
    while True:
        with autocast(settings["precision"]):
            loss = objective(model, prepared[number % len(prepared)])
        (loss.total / loss.count).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        turns.step(0.0)
        number += 1


def run_trainer(model: Any, objective: Objective, batches: Batches, settings: dict[str, Any], turns: Turns) -> None:
    """The whole trainer, with its step log and no checkpoint inside a turn; then what checkpoints cost."""
    rate = settings["learning_rate"]
    if settings["optimizer"] == "default":
        optimizer = OptimizerSettings(learning_rate=rate, **PretrainConfig().optimizer.model_dump())
    else:
        optimizer = OptimizerSettings(learning_rate=rate, kind=settings["optimizer"], weight_decay=0.1)
    training = TrainSettings(
        steps=1_000_000,
        batch_size=settings["batch"],
        micro_batch_size=settings["batch"],
        seed=0,
        precision=settings["precision"],
        optimizer=optimizer,
        schedule=ScheduleSettings(shape="constant"),
        checkpoint_every=0,
    )

    def on_step(record: Any, *rest: Any) -> None:
        turns.step(record.loss)

    with tempfile.TemporaryDirectory(dir=settings["data"]) as folder:
        checkpoints = Checkpoints(Path(folder), lambda message: None)
        with contextlib.suppress(Finished):
            train(model, objective, batches, training, checkpoints, Callbacks(on_step=on_step))
        if settings["checkpoints"]:
            products = optimizer_products(settings["precision"])
            measure_checkpoints(model, Optimizers(model, optimizer, products), checkpoints)


def measure_checkpoints(model: Any, optimizers: Optimizers, checkpoints: Checkpoints) -> None:
    """Writes a few checkpoints as the trainer does and says what they cost."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.step(0.0, 1.0)  # makes the optimiser's state
    cpu, clock, stalled = time.process_time(), time.perf_counter(), 0.0
    for number in range(SAVES):
        began = time.perf_counter()
        weights, state = gathered(unique_parameters(model), keep=True), gathered(optimizers.state(), keep=True)
        checkpoints.save(Snapshot(TrainingState(step=number + 1), weights, state, {}))
        stalled += time.perf_counter() - began
        checkpoints.wait()
    figures = {
        "checkpoint_cpu_s": (time.process_time() - cpu) / SAVES,
        "checkpoint_wall_s": (time.perf_counter() - clock) / SAVES,
        "checkpoint_stall_s": stalled / SAVES,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def main() -> None:
    settings = json.loads(sys.argv[1])
    prepare_process(settings["threads"])
    width, heads, context = settings["width"], settings["heads"], settings["context"]
    spec = ModelSpec(
        vocabulary=settings["vocabulary"],
        hidden_size=width,
        layers=settings["layers"],
        heads=heads,
        kv_heads=heads,
        intermediate_size=4 * width,
        context_length=context,
        architecture="gpt2",
    )
    model = build_model(spec, settings["seed"])
    objective = language_modeling_loss if settings["loss"] == "chunked" else materialised
    batches = training_samples(Path(settings["data"]), model, context, settings["seed"])
    run = run_bare if settings["loop"] == "bare" else run_trainer
    with contextlib.suppress(Finished):
        run(model, objective, batches, settings, Turns(settings))


if __name__ == "__main__":
    main()
