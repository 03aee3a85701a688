"""Learning-rate schedules as pure functions of the step, so that a resumed run needs no state for them.

WSD (warmup, stable, decay; MiniCPM, section 4) holds the rate and lowers it linearly at the end, so that a run can be
prolonged from a checkpoint of its stable phase; cosine and linear fall from the warmup's end on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How the learning rate moves.

    Attributes:
        shape: `cosine`, `linear`, `wsd` or `constant` (after the warmup).
        warmup_steps: Steps of linear rise.
        decay_fraction: Share of all steps over which `wsd` decays.
        final_factor: The rate at the end, as a share of the peak.
    """

    shape: Literal["cosine", "linear", "wsd", "constant"] = "wsd"
    warmup_steps: int = 0
    decay_fraction: float = 0.4
    final_factor: float = 0.0


def learning_rate_factor(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Returns the factor on the peak learning rate at `step` (0-based) of `steps`.

    The factor is above 0 at every step of the run, so that no step is wasted.
    """
    if step < settings.warmup_steps:
        return (step + 1) / (settings.warmup_steps + 1)
    if settings.shape == "constant":
        return 1.0
    span = max(1, steps - settings.warmup_steps)
    done = min(1.0, (step - settings.warmup_steps) / span)
    if settings.shape == "cosine":
        return settings.final_factor + (1.0 - settings.final_factor) * 0.5 * (1.0 + math.cos(math.pi * done))
    if settings.shape == "linear":
        return settings.final_factor + (1.0 - settings.final_factor) * (1.0 - done)
    decay_steps = max(1, round(settings.decay_fraction * steps))
    left = min(1.0, max(0, steps - step) / decay_steps)
    return settings.final_factor + (1.0 - settings.final_factor) * left
