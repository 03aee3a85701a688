"""A running mean of the weights (EMA), which is validated and published in place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from tasks.modeling.models import unique_parameters
from tasks.modeling.parameter_groups import local, sharded_like


class WeightAverage:
    """The mean of a model's weights over the steps, each step forgotten by `decay`.

    Early steps count less: the decay at step n is at most (1 + n) / (10 + n), so that the mean is not of the first,
    random weights for long. A decay of 0 keeps no mean, and nothing here then does anything.

    Args:
        model: Whose weights are averaged; sharded ones stay sharded.
        decay: Of the mean, at each step.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = unique_parameters(model) if decay else {}
        self._mean = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after a step (1-based)."""
        if self._parameters:
            decay = min(self._decay, (1 + step) / (10 + step))
            weights = [local(parameter) for parameter in self._parameters.values()]
            torch._foreach_lerp_([local(mean) for mean in self._mean.values()], weights, 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the mean in the model's place inside the block."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @torch.no_grad()
    def exchange(self) -> None:
        """Lets the mean and the model's weights change places."""
        for name, parameter in self._parameters.items():
            weight, mean = local(parameter), local(self._mean[name])
            aside = weight.clone()
            weight.copy_(mean)
            mean.copy_(aside)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the mean by the weights' names, sharded as they are."""
        return dict(self._mean)

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over what `state` returned, made whole."""
        for name, mean in self._mean.items():
            mean.copy_(sharded_like(state[name].to(mean.device), mean))
