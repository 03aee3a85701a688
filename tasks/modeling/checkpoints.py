"""Checkpoints that are whole or not there, and go on bit for bit.

    step-00000120/
        model.safetensors       weights, tied ones once
        optimizer.safetensors   the optimisers' state
        state.json              step, tokens seen, states of the random generators
        digests.json            sha256 of each of these

A checkpoint is written aside, synced and renamed; the digests are looked at before it is used, and a damaged one is
passed over for the one before. Nothing is ever unpickled. The two newest are kept: one could be damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from schemas.errors import StageFailed
from tasks.modeling.models import unique_parameters
from tasks.modeling.optimizers import Optimizers

FORMAT = 1
KEPT = 2
_NAME = re.compile(r"step-(\d{8,})")
_FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a training stands, weights and optimisers apart.

    Attributes:
        step: Steps done; the position in the order follows from it.
        tokens: Predictions counted so far.
        generators: States of the random generators as JSON, from `generator_states`.
    """

    step: int
    tokens: int
    generators: dict[str, Any]


def generator_states() -> dict[str, Any]:
    """Returns the states of the generators of torch, numpy and Python as JSON."""
    version, numbers, gauss = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
        "numpy": [str(kind), np.asarray(keys).tolist(), int(place), int(has_gauss), float(cached)],
        "python": [version, list(numbers), gauss],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Sets the generators to states that `generator_states` returned."""
    torch.set_rng_state(torch.frombuffer(bytearray.fromhex(states["torch"]), dtype=torch.uint8))
    kind, keys, place, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), place, has_gauss, cached))
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))


class Checkpoints:
    """The checkpoints of one training in one folder.

    Args:
        folder: Where they lie; made if it is not there.
        warn: Told of every checkpoint that is damaged and passed over.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        folder.mkdir(parents=True, exist_ok=True)

    def steps(self) -> list[int]:
        """Returns the steps of the checkpoints there are, oldest first, damaged ones included."""
        found = (_NAME.fullmatch(entry.name) for entry in self.folder.iterdir() if entry.is_dir())
        return sorted(int(match[1]) for match in found if match)

    def save(self, model: torch.nn.Module, optimizers: Optimizers, state: TrainingState) -> None:
        """Writes a checkpoint and removes all but the newest two."""
        target = self._path(state.step)
        aside = self.folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        weights = {name: parameter.detach() for name, parameter in unique_parameters(model).items()}
        save_file(weights, aside / "model.safetensors")
        save_file(optimizers.state(), aside / "optimizer.safetensors")
        content = {
            "format": FORMAT,
            "step": state.step,
            "tokens": state.tokens,
            "generators": state.generators,
        }
        _write_json(aside / "state.json", content)
        _write_json(aside / "digests.json", {name: _digest(aside / name) for name in _FILES})
        for name in (*_FILES, "digests.json"):
            _sync(aside / name)
        _sync(aside)
        if target.exists():  # a damaged one of the same step
            shutil.rmtree(target)
        aside.rename(target)
        _sync(self.folder)
        for step in self.steps()[:-KEPT]:
            shutil.rmtree(self._path(step))

    def load(self, model: torch.nn.Module, optimizers: Optimizers) -> TrainingState | None:
        """Takes over the newest checkpoint that is whole and removes damaged ones; None if there is none.

        Raises:
            StageFailed: A whole checkpoint does not fit the model.
        """
        for leftover in self.folder.glob(".step-*"):
            shutil.rmtree(leftover)
        for step in reversed(self.steps()):
            path = self._path(step)
            fault = _fault(path)
            if fault:
                self._warn(f"checkpoint {path.name} is damaged ({fault}): going on from the one before")
                shutil.rmtree(path)
                continue
            return _take_over(path, model, optimizers)
        return None

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"


def _take_over(path: Path, model: torch.nn.Module, optimizers: Optimizers) -> TrainingState:
    state = json.loads((path / "state.json").read_bytes())
    weights = load_file(path / "model.safetensors")
    parameters = unique_parameters(model)
    if state["format"] != FORMAT or {k: v.shape for k, v in weights.items()} != {
        k: v.shape for k, v in parameters.items()
    }:
        raise StageFailed(
            "the checkpoint is of another model or format",
            where=path.name,
            hint="build from the start: nightmill run CONFIG --force STAGE",
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    optimizers.load(load_file(path / "optimizer.safetensors"))
    return TrainingState(step=state["step"], tokens=state["tokens"], generators=state["generators"])


def _fault(path: Path) -> str:
    """Says what is wrong with a checkpoint; empty when it is whole."""
    try:
        digests = json.loads((path / "digests.json").read_bytes())
    except FileNotFoundError:
        return "no digests.json"
    except ValueError:
        return "digests.json is no JSON"
    if not isinstance(digests, dict) or sorted(digests) != sorted(_FILES):
        return "digests.json does not name its files"
    for name in _FILES:
        if not (path / name).is_file():
            return f"no {name}"
        if _digest(path / name) != digests[name]:
            return f"{name} does not have the bytes it was written with"
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")), encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
