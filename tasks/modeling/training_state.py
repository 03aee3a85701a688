"""Where a training stands, weights and optimisers apart: all that decides the next step, as plain values.

Random generators have no place in it: they are seeded anew for each micro-batch, from the training's seed and the
position of its first sample. So dropout is the same however often a training was killed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from tasks.modeling.bad_steps import BadStep, LossTrend
from tasks.modeling.precision import LossScale


@dataclass(frozen=True, slots=True)
class BestLoss:
    """The lowest validation loss so far.

    Attributes:
        loss: In nats; None before the first validation.
        step: After which it was found.
        since: Validations since then.
    """

    loss: float | None = None
    step: int = 0
    since: int = 0

    def after(self, loss: float, step: int) -> BestLoss:
        """Returns the best with one more validation taken in."""
        if self.loss is None or loss < self.loss:
            return BestLoss(loss, step)
        return BestLoss(self.loss, self.step, self.since + 1)


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a training stands.

    Attributes:
        step: Steps done.
        samples: Samples consumed: the next step's position in the order.
        tokens: Predictions counted so far.
        scale: Loss scale of float16.
        trend: Of the losses, which tells spikes.
        best: The lowest validation loss.
        events: Bad steps so far.
        places: The kinds of process that it ran in, in turn; with more than one, bytes may differ from a run in one.
    """

    step: int = 0
    samples: int = 0
    tokens: int = 0
    scale: LossScale = field(default_factory=LossScale)
    trend: LossTrend = field(default_factory=LossTrend)
    best: BestLoss = field(default_factory=BestLoss)
    events: tuple[BadStep, ...] = ()
    places: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns a form that `from_json` turns back into an equal state."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TrainingState:
        """Returns the state that `to_json` was asked of."""
        return TrainingState(
            step=data["step"],
            samples=data["samples"],
            tokens=data["tokens"],
            scale=LossScale(**data["scale"]),
            trend=LossTrend(**data["trend"]),
            best=BestLoss(**data["best"]),
            events=tuple(BadStep(**event) for event in data["events"]),
            places=tuple(data["places"]),
        )


def seed_generators(seed: int, position: int) -> None:
    """Seeds the generators of torch (all devices), numpy and Python for the samples from a position on."""
    digest = hashlib.blake2b(f"{seed}/{position}".encode(), digest_size=8).digest()
    mixed = int.from_bytes(digest, "little") >> 1
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)
    torch.manual_seed(mixed)
