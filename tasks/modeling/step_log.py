"""What happened at each step, one JSON line a step: the loss curve, whole even when the training was interrupted.

The file lies beside the checkpoints. It is synced before a checkpoint is published, and cut back to the checkpoint's
step on a resume, so it never misses a step and never tells one twice. It holds nothing that a clock decides.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

NAME = "steps.jsonl"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimiser step.

    Attributes:
        step: 1-based.
        tokens: Predictions counted since the start (examples, for classification).
        loss: Mean over the step, in nats.
        learning_rate: Of the step.
        gradient_norm: Before clipping.
        accuracy: Share of the predictions that were right, where the objective tells.
        layer_norms: Gradient norms by layer (`embeddings`, `layer.0` …), before clipping.
        valid_loss: Mean over the validation blocks, where one was computed.
    """

    step: int
    tokens: int
    loss: float
    learning_rate: float
    gradient_norm: float
    accuracy: float | None = None
    layer_norms: Mapping[str, float] | None = None
    valid_loss: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the fields, those that are None left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}


class StepLog:
    """The log of one training, open at the end of the last step done.

    Args:
        folder: Where `steps.jsonl` lies.
        step: Steps done: later records are cut off.
        writes: Whether it is written; of several processes one does.
    """

    def __init__(self, folder: Path, step: int, *, writes: bool = True) -> None:
        self.path = folder / NAME
        self.records = _read(self.path) if step else []
        self._writes = writes
        self._file: BinaryIO | None = None
        self.cut(step)

    def cut(self, step: int) -> None:
        """Forgets the steps after one."""
        self.records = [record for record in self.records if record.step <= step]
        self.close()
        if self._writes:
            aside = self.path.with_name(f".{NAME}.{os.getpid()}")
            aside.write_bytes(b"".join(_line(record) for record in self.records))
            aside.replace(self.path)
            self._file = self.path.open("ab")

    def append(self, record: StepRecord) -> None:
        """Adds a step."""
        self.records.append(record)
        if self._file is not None:
            self._file.write(_line(record))

    def sync(self) -> None:
        """Makes sure that what was added survives a crash."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Writes what is pending."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(record: StepRecord) -> bytes:
    return json.dumps(record.to_json(), separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> list[StepRecord]:
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().split(b"\n")[:-1]:  # what follows the last newline was cut off by a kill
        records.append(StepRecord(**json.loads(line)))
    return records
