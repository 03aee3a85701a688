"""Our trainer on Hugging Face's GPT-2, taking turns: the side of `bench_train.py` that is measured.

`loop` in the settings says what runs: `trainer` is the whole trainer, `bare` nothing but forward, backward and step on
batches made beforehand. `loss` is `chunked`, or `materialised` for the model's own logits.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch
from train_turns import Finished, Turns
from transformers import GPT2Config, GPT2LMHeadModel

from tasks.modeling.checkpoints import Checkpoints, TrainingState, generator_states
from tasks.modeling.loss import cross_entropy
from tasks.modeling.objectives import Batch, Loss, Objective
from tasks.modeling.optimizers import Optimizers, OptimizerSettings
from tasks.modeling.order import Order
from tasks.modeling.precision import autocast, prepare_process
from tasks.modeling.schedules import ScheduleSettings
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Callbacks, TrainSettings
from tasks.pretrain.blocks import Blocks
from tasks.tokens.token_set import TokenSet

SAVES = 5
"""Checkpoints written to learn what one costs."""


def build_gpt2(settings: dict[str, Any]) -> Any:
    """Builds the model; the tanh form of GELU, since it is one kernel and the default of transformers eight."""
    config = GPT2Config(
        vocab_size=settings["vocabulary"],
        n_positions=settings["context"],
        n_embd=settings["width"],
        n_layer=settings["layers"],
        n_head=settings["heads"],
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.manual_seed(settings["seed"])
    return GPT2LMHeadModel(config).train()


def places(batch: Batch) -> torch.Tensor:
    """Lets a document that began before the window begin with it: GPT-2 has no positions beyond its context."""
    positions = batch["position_ids"]
    begun_before = (positions == 0).cumsum(dim=1) == 0
    return torch.where(begun_before, positions - positions[:, :1], positions)


def chunked(model: Any, batch: Batch) -> Loss:
    """Next-token prediction with the chunked cross-entropy."""
    hidden = model.base_model(input_ids=batch["input_ids"], position_ids=places(batch), use_cache=False)
    labels = batch["labels"].flatten()
    found = cross_entropy(hidden.last_hidden_state.flatten(0, 1), model.lm_head.weight, labels)
    return Loss(found.total, int((labels >= 0).sum()), found.correct)


def materialised(model: Any, batch: Batch) -> Loss:
    """The same from the model's own logits."""
    logits = model(input_ids=batch["input_ids"], position_ids=places(batch), use_cache=False).logits
    labels = batch["labels"].flatten()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels, reduction="sum")
    return Loss(total, int((labels >= 0).sum()))


def open_blocks(folder: Path, split: str, context: int) -> Blocks:
    """Opens a split of `train_data.py`."""
    tokens = TokenSet([(folder / f"{split}.bin", folder / f"{split}.idx")])
    return Blocks(tokens, context, Order(tokens.n_blocks(context), 0) if split == "train" else None)


def run_bare(model: Any, objective: Objective, blocks: Blocks, settings: dict[str, Any], turns: Turns) -> None:
    """Forward, backward, clip and step, nothing else."""
    prepared = [blocks.batch(place * settings["batch"], settings["batch"]) for place in range(8)]
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


def run_trainer(model: Any, objective: Objective, blocks: Blocks, settings: dict[str, Any], turns: Turns) -> None:
    """The whole trainer, with its step log and no checkpoint inside a turn; then what checkpoints cost."""
    optimizer = OptimizerSettings(learning_rate=settings["learning_rate"], kind="adamw", weight_decay=0.1)
    training = TrainSettings(
        steps=1_000_000,
        batch_size=settings["batch"],
        micro_batch_size=settings["batch"],
        seed=0,
        precision=settings["precision"],
        optimizer=optimizer,
        schedule=ScheduleSettings(shape="constant"),
        checkpoint_every=1_000_000,
    )

    def on_step(record: Any, *rest: Any) -> None:
        turns.step(record.loss)

    with tempfile.TemporaryDirectory(dir=settings["data"]) as folder:
        checkpoints = Checkpoints(Path(folder), lambda message: None)
        with contextlib.suppress(Finished):
            train(model, objective, blocks.batch, training, checkpoints, Callbacks(on_step=on_step))
        if settings["checkpoints"]:
            measure_checkpoints(model, Optimizers(model, optimizer), checkpoints)


def measure_checkpoints(model: Any, optimizers: Optimizers, checkpoints: Checkpoints) -> None:
    """Writes a few checkpoints and says what they cost."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.step(0.0, 1.0)  # makes the optimiser's state
    cpu, clock = time.process_time(), time.perf_counter()
    for number in range(SAVES):
        checkpoints.save(model, optimizers, TrainingState(number + 1, 0, generator_states()))
    figures = {
        "checkpoint_cpu_s": (time.process_time() - cpu) / SAVES,
        "checkpoint_wall_s": (time.perf_counter() - clock) / SAVES,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def main() -> None:
    settings = json.loads(sys.argv[1])
    prepare_process(settings["threads"])
    model = build_gpt2(settings)
    objective = cast(Objective, chunked if settings["loss"] == "chunked" else materialised)
    blocks = open_blocks(Path(settings["data"]), "train", settings["context"])
    run = run_bare if settings["loop"] == "bare" else run_trainer
    with contextlib.suppress(Finished):
        run(model, objective, blocks, settings, Turns(settings))


if __name__ == "__main__":
    main()
