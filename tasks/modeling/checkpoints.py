"""Checkpoints that are whole or not there, and go on bit for bit.

    step-00000120/
        model.safetensors       weights, tied ones once
        optimizer.safetensors   the optimisers' state
        average.safetensors     the running mean of the weights; empty where none is kept
        state.json              step, samples and tokens seen, loss scale, best validation, bad steps
        digests.json            sha256 of each of these

A checkpoint is copied to main memory, then written aside, synced and renamed by a thread while training goes on; the
digests are looked at before it is used, and a damaged one is passed over for the one before. Nothing is ever unpickled.
Tensors are whole whatever number of processes wrote them, so any other number can go on from them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schemas.errors import StageFailed
from tasks.modeling.training_state import TrainingState

FORMAT = 2
KEPT = 2
"""Newest checkpoints that are kept by default: one could be damaged."""

_NAME = re.compile(r"step-(\d{8,})")
_FILES = ("model.safetensors", "optimizer.safetensors", "average.safetensors", "state.json")

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a training goes on from.

    Attributes:
        state: Where it stands.
        weights: By name, tied ones once.
        optimizer: State tensors of the optimisers.
        average: The running mean of the weights, if one is kept.
    """

    state: TrainingState
    weights: Tensors
    optimizer: Tensors
    average: Tensors


class Checkpoints:
    """The checkpoints of one training in one folder.

    Args:
        folder: Where they lie; made if it is not there.
        warn: Told of every checkpoint that is damaged and passed over.
        keep: Newest ones that are kept.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None], keep: int = KEPT) -> None:
        self.folder = folder
        self._warn = warn
        self._keep = keep
        self._writer: threading.Thread | None = None
        self._error: BaseException | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def steps(self) -> list[int]:
        """Returns the steps of the checkpoints there are, oldest first, damaged ones included."""
        self.wait()
        return self._steps()

    def save(self, snapshot: Snapshot, needed: Collection[int] = ()) -> None:
        """Begins to write a checkpoint, whose tensors nobody else may change, and removes old ones once it is there.

        Args:
            snapshot: What is written.
            needed: Steps whose checkpoints it cannot do without: they are kept as long as it is.
        """
        self.wait()
        self._writer = threading.Thread(target=self._write_aside, args=(snapshot, frozenset(needed)))
        self._writer.start()

    def wait(self) -> None:
        """Waits until what was saved is on disk.

        Raises:
            OSError: It could not be written.
        """
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def find(self) -> int | None:
        """Returns the step of the newest checkpoint that is whole and removes damaged ones; None if there is none.

        One that needs another which is missing or damaged is not whole.
        """
        self.wait()
        for leftover in self.folder.glob(".step-*"):
            shutil.rmtree(leftover)
        for step in reversed(self._steps()):
            path = self._path(step)
            fault = _fault(path)
            if not fault:
                return step
            self._warn(f"checkpoint {path.name} is damaged ({fault}): going on from the one before")
            shutil.rmtree(path)
        return None

    def read(self, step: int) -> Snapshot:
        """Returns the checkpoint of a step, on the CPU.

        Raises:
            StageFailed: It is damaged, or has another format.
        """
        self.wait()
        path = self._path(step)
        fault = _fault(path)
        if fault:
            raise StageFailed(
                f"the checkpoint is damaged ({fault})",
                where=path.name,
                hint="run again: training then goes on from the one before",
            )
        content = json.loads((path / "state.json").read_bytes())
        if content.pop("format") != FORMAT:
            raise _refused(path)
        content.pop("needs")
        return Snapshot(
            state=TrainingState.from_json(content),
            weights=load_file(path / "model.safetensors"),
            optimizer=load_file(path / "optimizer.safetensors"),
            average=load_file(path / "average.safetensors"),
        )

    def refuse(self, step: int) -> StageFailed:
        """Returns the error for a checkpoint that does not fit the model."""
        return _refused(self._path(step))

    def discard_after(self, step: int) -> None:
        """Removes the checkpoints after a step, newest first: they are of a course that was given up."""
        for later in reversed(self.steps()):
            if later > step:
                shutil.rmtree(self._path(later))

    def _steps(self) -> list[int]:
        found = (_NAME.fullmatch(entry.name) for entry in self.folder.iterdir() if entry.is_dir())
        return sorted(int(match[1]) for match in found if match)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _write_aside(self, snapshot: Snapshot, needed: frozenset[int]) -> None:
        try:
            self._write(snapshot, needed)
        except BaseException as error:
            self._error = error  # raised by the next `wait`

    def _write(self, snapshot: Snapshot, needed: frozenset[int]) -> None:
        step = snapshot.state.step
        target = self._path(step)
        aside = self.folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        save_file(dict(snapshot.weights), aside / "model.safetensors")
        save_file(dict(snapshot.optimizer), aside / "optimizer.safetensors")
        save_file(dict(snapshot.average), aside / "average.safetensors")
        needs = sorted(needed - {step})
        _write_json(aside / "state.json", {**snapshot.state.to_json(), "format": FORMAT, "needs": needs})
        _write_json(aside / "digests.json", {name: _digest(aside / name) for name in _FILES})
        for name in (*_FILES, "digests.json"):
            _sync(aside / name)
        _sync(aside)
        if target.exists():  # a damaged one of the same step
            shutil.rmtree(target)
        aside.rename(target)
        _sync(self.folder)
        steps = self._steps()
        kept = self._with_needs(steps[-self._keep :])
        for old in steps:
            if old not in kept:
                shutil.rmtree(self._path(old))

    def _with_needs(self, steps: list[int]) -> set[int]:
        """Adds what checkpoints need, and what that needs."""
        found: set[int] = set()
        while steps:
            found.update(steps)
            steps = [need for step in steps for need in _needs(self._path(step)) if need not in found]
        return found


def _refused(path: Path) -> StageFailed:
    return StageFailed(
        "the checkpoint is of another model or format",
        where=path.name,
        hint="build from the start: nightmill run CONFIG --force STAGE",
    )


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
    for need in _needs(path):
        fault = _fault(path.with_name(f"step-{need:08d}"))
        if fault:
            return f"step {need}, which it needs, has {fault}"
    return ""


def _needs(path: Path) -> list[int]:
    try:
        content = json.loads((path / "state.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return []  # damaged, and about to be passed over
    needs: list[int] = content.get("needs", [])
    return needs


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
