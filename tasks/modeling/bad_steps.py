"""Steps that must not reach the weights: a loss or gradient that is no number, or a loss far above those before it.

All of it follows from the losses, so a resumed training judges as the one that was not interrupted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Action = Literal["stop", "skip", "rollback"]


@dataclass(frozen=True, slots=True)
class BadStepSettings:
    """What happens at a bad step.

    Attributes:
        action: `stop` fails; `skip` makes no step; `rollback` goes back to the last multiple of `rollback_every` steps.
            Neither of these reads the step's samples again.
        spike_deviations: A loss so many standard deviations above the running mean is a spike; None looks for none.
        spike_window: Steps that the running mean reaches back; the first so many are not judged.
        rollback_every: Steps between the checkpoints that `rollback` goes back to.
        limit: More bad steps than this fail.
    """

    action: Action = "stop"
    spike_deviations: float | None = None
    spike_window: int = 50
    rollback_every: int = 100
    limit: int = 20


@dataclass(frozen=True, slots=True)
class BadStep:
    """One bad step.

    Attributes:
        step: The step that would have been made, 1-based.
        samples: Samples consumed before it.
        fault: What was wrong, for a reader.
        action: What was done.
        back_to: The step that training went on from.
    """

    step: int
    samples: int
    fault: str
    action: Action
    back_to: int

    def __str__(self) -> str:
        done = "left out" if self.action == "skip" else f"undone by going back to step {self.back_to}"
        return f"step {self.step} (samples from {self.samples} on) was {done}: {self.fault}"


@dataclass(frozen=True, slots=True)
class LossTrend:
    """Exponentially weighted mean and variance of the losses of good steps.

    Attributes:
        mean: Nats.
        variance: Nats squared.
        steps: Losses taken in.
    """

    mean: float = 0.0
    variance: float = 0.0
    steps: int = 0

    def after(self, loss: float, window: int) -> LossTrend:
        """Returns the trend with one more loss (West, 1979, with forgetting)."""
        share = 1.0 / min(self.steps + 1, window)
        difference = loss - self.mean
        return LossTrend(
            mean=self.mean + share * difference,
            variance=(1.0 - share) * (self.variance + share * difference * difference),
            steps=self.steps + 1,
        )

    def fault(self, loss: float, gradient_norm: float, settings: BadStepSettings) -> str:
        """Says what is wrong with a step; empty when it is good."""
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            return f"the loss is no number (loss {loss:g}, gradient norm {gradient_norm:g})"
        if settings.spike_deviations is None or self.steps < settings.spike_window:
            return ""
        deviation = math.sqrt(self.variance)
        if loss <= self.mean + settings.spike_deviations * deviation:
            return ""
        return f"a loss of {loss:.4f} is a spike: those before it have a mean of {self.mean:.4f} ± {deviation:.4f}"
