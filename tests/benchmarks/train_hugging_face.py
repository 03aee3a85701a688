"""Hugging Face's `Trainer` on its own GPT-2, taking turns: a peer of `bench_train.py`, in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_turns import Finished, Turns
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments


class Windows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Windows of a file of uint16 tokens, one after the other."""

    def __init__(self, path: Path, context: int) -> None:
        self._tokens, self._context = np.memmap(path, dtype=np.uint16, mode="r"), context

    def __len__(self) -> int:
        return len(self._tokens) // self._context

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        start = number * self._context
        ids = torch.from_numpy(self._tokens[start : start + self._context].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


class TakeTurns(TrainerCallback):
    """Tells each step; what the loss was stays with the Trainer, which does not read it each step."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._turns.step(float("nan"))


def main() -> None:
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    config = GPT2Config(
        vocab_size=settings["vocabulary"],
        n_positions=settings["context"],
        n_embd=settings["width"],
        n_layer=settings["layers"],
        n_head=settings["heads"],
        activation_function=settings["activation"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=2,
        eos_token_id=3,
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=settings["batch"],
            learning_rate=settings["learning_rate"],
            max_steps=1_000_000,
            bf16=settings["precision"] == "bf16",
            optim="adamw_torch_fused" if settings["fused"] else "adamw_torch",
            weight_decay=0.1,
            adam_beta2=0.95,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=GPT2LMHeadModel(config),
            args=arguments,
            train_dataset=Windows(Path(settings["data"]) / "train.bin", settings["context"]),
            callbacks=[TakeTurns(Turns(settings))],
        )
        with contextlib.suppress(Finished):
            trainer.train()


if __name__ == "__main__":
    main()
