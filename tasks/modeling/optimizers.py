"""Muon for hidden matrices, AdamW for everything else; or AdamW alone.

Muon (Jordan et al., 2024) replaces a matrix's momentum by its nearest semi-orthogonal matrix, found by five
Newton–Schulz iterations. Its update is scaled by 0.2·sqrt(larger side) (Liu et al., "Muon is scalable for LLM
training", 2025, section 2.2), which gives it the size of an AdamW update: so one learning rate serves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from tasks.modeling.models import unique_parameters

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration: the steepest at 0 that keep singular values within about 0.7 … 1.2."""

NEWTON_SCHULZ_STEPS = 5

ADAMW_RMS = 0.2
"""Usual root mean square of an AdamW update's entries, which Muon's updates are scaled to."""


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """How weights are updated.

    Attributes:
        kind: `muon` (with AdamW for embeddings, norms and heads) or `adamw`.
        learning_rate: Peak rate of all groups.
        embedding_factor: Factor on the rate of embeddings and output heads.
        weight_decay: Decoupled decay of hidden matrices; embeddings, norms and heads have none.
        momentum: Muon's (Nesterov).
        beta1: AdamW's decay of the first moment.
        beta2: AdamW's decay of the second moment.
        epsilon: AdamW's.
        gradient_clip: Largest norm of the gradient; 0 leaves it alone.
    """

    learning_rate: float
    kind: Literal["muon", "adamw"] = "muon"
    embedding_factor: float = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    gradient_clip: float = 1.0


def orthogonalize(matrix: torch.Tensor, steps: int = NEWTON_SCHULZ_STEPS) -> torch.Tensor:
    """Returns approximately U·Vᵀ of the matrix's singular value decomposition.

    Computed in float32: at the sizes that a CPU trains, bfloat16 was no faster.

    Args:
        matrix: float32[..., rows, columns].
        steps: Newton–Schulz iterations.
    """
    a, b, c = NEWTON_SCHULZ
    x: torch.Tensor
    tall = matrix.size(-2) > matrix.size(-1)
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for matrices only.

    Matrices of one shape are orthogonalised as one batch.
    """

    def __init__(
        self, parameters: list[torch.nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        if any(parameter.ndim != 2 for parameter in parameters):
            raise ValueError("Muon updates matrices only")
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Updates every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                updates = orthogonalize(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                scale = ADAMW_RMS * math.sqrt(max(shape))
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1.0 - momentum)
        return parameter.grad.lerp(state["momentum"], momentum)


class Optimizers:
    """The optimisers of one model, stepped together, with a state that is plain tensors by name."""

    def __init__(self, model: torch.nn.Module, settings: OptimizerSettings) -> None:
        self._settings = settings
        self._names = {parameter: name for name, parameter in unique_parameters(model).items()}
        matrices, embeddings, vectors = _groups(model)
        kept = {"weight_decay": 0.0, "factor": 1.0}
        groups: list[dict[str, Any]] = [
            {**kept, "params": embeddings, "factor": settings.embedding_factor},
            {**kept, "params": vectors},
        ]
        self._all: list[torch.optim.Optimizer] = []
        if settings.kind == "muon" and matrices:
            self._all.append(Muon(matrices, settings.learning_rate, settings.momentum, settings.weight_decay))
        else:
            groups.append({**kept, "params": matrices, "weight_decay": settings.weight_decay})
        self._all.append(
            torch.optim.AdamW(
                [group for group in groups if group["params"]],
                lr=settings.learning_rate,
                betas=(settings.beta1, settings.beta2),
                eps=settings.epsilon,
                fused=True,
            )
        )

    def step(self, factor: float, count: float) -> float:
        """Updates the weights from the gradients of a sum of losses, and clears the gradients.

        Args:
            factor: The schedule's factor on the learning rate.
            count: What the sum is divided by to be a mean.

        Returns:
            The gradient's norm before clipping.
        """
        parameters = [parameter for parameter in self._names if parameter.grad is not None]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_div_(gradients, count)
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._settings.gradient_clip > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._settings.gradient_clip, norm)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.learning_rate * factor * group.get("factor", 1.0)
            optimizer.step()
        self.clear()
        return float(norm)

    def clear(self) -> None:
        """Forgets gradients, as those of a step that is given up."""
        for optimizer in self._all:
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns every state tensor as `<parameter>/<name>`."""
        return {
            f"{name}/{key}": value
            for parameter, name in self._names.items()
            for optimizer in self._all
            if parameter in optimizer.state
            for key, value in optimizer.state[parameter].items()
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over what `state` returned, exactly."""
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
            optimizer.state[parameter][key] = value.clone()


def _groups(
    model: torch.nn.Module,
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Splits the parameters into hidden matrices, embeddings and heads, and vectors (norms, biases)."""
    matrices: list[torch.nn.Parameter] = []
    embeddings: list[torch.nn.Parameter] = []
    vectors: list[torch.nn.Parameter] = []
    for name, parameter in unique_parameters(model).items():
        if not parameter.requires_grad:
            continue
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif name.startswith(("lm_head.", "score.")) or "embed_tokens" in name:
            embeddings.append(parameter)
        else:
            matrices.append(parameter)
    return matrices, embeddings, vectors
