"""Objectives: what is to be made small. An objective is `loss(model, batch)`; the trainer knows nothing else of it.

An objective returns a *sum* and what it counts, not a mean, so that a step cut into any number of micro-batches has
exactly the gradient of the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from tasks.modeling.loss import cross_entropy

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Loss:
    """The losses of a batch.

    Attributes:
        total: Their sum in nats, with its gradient.
        count: How many predictions are in it.
        correct: int64 scalar, how many of them were right; None where that has no meaning.
    """

    total: torch.Tensor
    count: int
    correct: torch.Tensor | None = None


Objective = Callable[[Any, Batch], Loss]


def language_modeling_loss(model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0) -> Loss:
    """Next-token prediction over packed documents.

    Args:
        model: A causal language model of transformers.
        batch: `input_ids`, `labels` (shifted already, -100 where nothing is predicted), `position_ids`: int64[B, T].
        z_loss: Weight of log²Z; see `cross_entropy`.
        label_smoothing: Share of the target that goes to all pieces alike.
    """
    hidden = model.model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    labels = batch["labels"].flatten()
    found = cross_entropy(
        hidden.flatten(0, 1), model.lm_head.weight, labels, z_loss=z_loss, label_smoothing=label_smoothing
    )
    return Loss(found.total, int((labels >= 0).sum()), found.correct)


def classification_loss(model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0) -> Loss:
    """One label a row.

    Args:
        model: A sequence classifier of transformers, which pools the last token that is no padding.
        batch: `input_ids` int64[B, T], padded on the right; `labels` int64[B].
        z_loss: Weight of log²Z.
        label_smoothing: Share of the target that goes to all labels alike.
    """
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits.float()
    total = torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="sum", label_smoothing=label_smoothing)
    if z_loss:
        total = total + z_loss * logits.logsumexp(dim=-1).square().sum()
    return Loss(total, len(batch["labels"]), (logits.argmax(dim=-1) == batch["labels"]).sum())
