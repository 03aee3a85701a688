"""The optimisers of one model: Muon with AdamW, or AdamW, SGD or Adafactor alone, each in three groups of weights.

Weight decay is decoupled everywhere (Loshchilov and Hutter, 2019): it shrinks weights by the learning rate times the
decay and meets no moment. L1 and L2 penalties are what decay is not: part of the loss, so their gradients pass through
the optimiser, are clipped, and count in the gradient's norm; the loss that is told is without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from tasks.modeling.muon import Muon
from tasks.modeling.parameter_groups import local, parameter_groups, sharded_like


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """How weights are updated.

    Attributes:
        kind: `muon` (with AdamW for embeddings, norms and heads), `adamw`, `sgd` or `adafactor`.
        learning_rate: Peak rate of all groups.
        embedding_factor: Factor on the rate of embeddings and output heads.
        weight_decay: Decoupled decay of hidden matrices.
        embedding_weight_decay: The same of embeddings and output heads.
        vector_weight_decay: The same of norms and biases.
        l1: Weight of the matrices' absolute values in the loss.
        l2: Weight of half the matrices' squares in the loss.
        momentum: Muon's (Nesterov) and SGD's.
        nesterov: Of SGD.
        beta1: AdamW's decay of the first moment.
        beta2: AdamW's decay of the second moment.
        epsilon: AdamW's.
        gradient_clip: Largest norm of the gradient; 0 leaves it alone.
    """

    learning_rate: float
    kind: Literal["muon", "adamw", "sgd", "adafactor"] = "muon"
    embedding_factor: float = 1.0
    weight_decay: float = 0.0
    embedding_weight_decay: float = 0.0
    vector_weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    momentum: float = 0.95
    nesterov: bool = True
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    gradient_clip: float = 1.0


@dataclass(frozen=True, slots=True)
class GradientNorms:
    """Euclidean norms of a gradient before clipping: of all of it, and of each layer's."""

    total: float
    layers: Mapping[str, float]


class Optimizers:
    """The optimisers of one model, stepped together, with a state that is plain tensors by name.

    A step is `average`, which makes the gradient that of the mean loss and measures it, then `step`, or `clear`.

    Args:
        model: Whose weights they update.
        settings: How.
        products: Format of Muon's own matrix products; the state is float32 always.
    """

    def __init__(
        self, model: torch.nn.Module, settings: OptimizerSettings, products: torch.dtype = torch.float32
    ) -> None:
        self._settings = settings
        groups = parameter_groups(model)
        self._matrices = list(groups.matrices.values())
        named = {**groups.matrices, **groups.embeddings, **groups.vectors}
        self._names = {parameter: name for name, parameter in named.items()}
        self._layers = list(groups.layers)
        self._layer_of = {
            parameter: number for number, layer in enumerate(groups.layers.values()) for parameter in layer
        }
        embeddings: dict[str, Any] = {
            "params": list(groups.embeddings.values()),
            "weight_decay": settings.embedding_weight_decay,
            "factor": settings.embedding_factor,
        }
        vectors: dict[str, Any] = {
            "params": list(groups.vectors.values()),
            "weight_decay": settings.vector_weight_decay,
            "factor": 1.0,
        }
        matrices: dict[str, Any] = {
            "params": self._matrices,
            "weight_decay": settings.weight_decay,
            "factor": 1.0,
        }
        self._all: list[torch.optim.Optimizer] = []
        if settings.kind == "muon" and self._matrices:
            self._all.append(
                Muon(self._matrices, settings.learning_rate, settings.momentum, settings.weight_decay, products)
            )
            others = [embeddings, vectors]
        else:
            others = [embeddings, vectors, matrices]
        self._all.append(_elementwise([group for group in others if group["params"]], settings))

    @torch.no_grad()
    def average(self, divisor: float) -> GradientNorms:
        """Turns the gradient of a sum of losses into that of their mean, adds penalties, and measures it.

        Args:
            divisor: What the sum is divided by, a loss scale included.
        """
        parameters = [parameter for parameter in self._names if parameter.grad is not None]
        gradients = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
        torch._foreach_div_(gradients, divisor)
        self._penalize()
        squares = torch.stack(torch._foreach_norm(gradients)).double().square()
        layers = torch.tensor([self._layer_of[parameter] for parameter in parameters], device=squares.device)
        sums = torch.zeros(len(self._layers), dtype=torch.float64, device=squares.device)
        sums.index_add_(0, layers, squares)
        if any(hasattr(parameter, "device_mesh") for parameter in parameters):
            torch.distributed.all_reduce(sums)
        norms = torch.cat([sums, sums.sum(0, keepdim=True)]).sqrt().tolist()
        return GradientNorms(norms[-1], dict(zip(self._layers, norms, strict=False)))

    @torch.no_grad()
    def step(self, factor: float, norm: float) -> None:
        """Clips the gradient, updates the weights and clears the gradient.

        Args:
            factor: The schedule's factor on the learning rate.
            norm: The gradient's norm, as `average` returned it.
        """
        limit = self._settings.gradient_clip
        if 0 < limit < norm:
            gradients = [local(parameter.grad) for parameter in self._names if parameter.grad is not None]
            torch._foreach_mul_(gradients, limit / norm)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.learning_rate * factor * group.get("factor", 1.0)
                if group.get("decay"):
                    torch._foreach_mul_([local(p) for p in group["params"]], 1.0 - group["lr"] * group["decay"])
            optimizer.step()
        self.clear()

    def clear(self) -> None:
        """Forgets gradients, as those of a step that is given up."""
        for optimizer in self._all:
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns every state tensor as `<parameter>/<name>`, sharded ones as they are."""
        return {
            f"{name}/{key}": value
            for parameter, name in self._names.items()
            for optimizer in self._all
            if parameter in optimizer.state
            for key, value in optimizer.state[parameter].items()
            if value is not None
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over what `state` returned, made whole, exactly; each process of a sharded model keeps its share."""
        owners = {
            self._names[parameter]: (optimizer, parameter)
            for optimizer in self._all
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for optimizer in self._all:
            optimizer.state.clear()
        for name, value in state.items():
            parameter_name, _, key = name.rpartition("/")
            optimizer, parameter = owners[parameter_name]
            counts = key == "step" and not optimizer.defaults.get("fused")  # which torch keeps in the main memory
            placed = value.clone() if counts else value.to(parameter.device, copy=True)
            optimizer.state[parameter][key] = sharded_like(placed, parameter)

    def _penalize(self) -> None:
        settings = self._settings
        if not (settings.l1 or settings.l2):
            return
        chosen = [parameter for parameter in self._matrices if parameter.grad is not None]
        gradients = [local(parameter.grad) for parameter in chosen if parameter.grad is not None]
        weights = [local(parameter) for parameter in chosen]
        if settings.l2:
            torch._foreach_add_(gradients, weights, alpha=settings.l2)
        if settings.l1:
            torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=settings.l1)


def _elementwise(groups: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Returns the optimiser of all that Muon does not update."""
    rate = settings.learning_rate
    if settings.kind == "sgd":
        # Its own decay is a penalty: ours is taken from the weights before each step.
        decoupled = [{**group, "weight_decay": 0.0, "decay": group["weight_decay"]} for group in groups]
        nesterov = settings.nesterov and settings.momentum > 0
        return torch.optim.SGD(decoupled, lr=rate, momentum=settings.momentum, nesterov=nesterov, foreach=True)
    if settings.kind == "adafactor":
        return torch.optim.Adafactor(groups, lr=rate)
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=settings.epsilon, fused=True)
