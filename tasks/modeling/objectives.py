"""Objectives: what is to be made small. An objective is `loss(model, batch)`; the trainer knows nothing else of it.

An objective returns a *sum* and what it counts, not a mean, so that a step cut into any number of micro-batches has
exactly the gradient of the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from tasks.modeling.attention import document_mask
from tasks.modeling.output_heads import predict_labels

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


class LanguageObjective(Protocol):
    """An objective over pieces, with what training may add to it."""

    def __call__(self, model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0) -> Loss: ...


def language_modeling_loss(model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0) -> Loss:
    """Next-token prediction over packed documents.

    Args:
        model: A causal language model of transformers.
        batch: `input_ids`, `labels` (shifted already, -100 where nothing is predicted), `position_ids`: int64[B, T].
        z_loss: Weight of log²Z; see `cross_entropy`.
        label_smoothing: Share of the target that goes to all pieces alike.
    """
    hidden = model.base_model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    return _loss(model, hidden, batch, z_loss, label_smoothing)


def masked_language_modeling_loss(
    model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0
) -> Loss:
    """Prediction of hidden tokens from both sides, over packed documents (Devlin et al., "BERT", 2019).

    Args:
        model: A masked language model of transformers.
        batch: `input_ids`, `labels` (-100 where nothing was hidden), `position_ids`, `segments`: int64[B, T].
        z_loss: Weight of log²Z.
        label_smoothing: Share of the target that goes to all pieces alike.
    """
    hidden = model.base_model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=document_mask(batch["segments"], batch["segments"]),
    ).last_hidden_state
    return _loss(model, hidden, batch, z_loss, label_smoothing)


def sequence_to_sequence_loss(model: Any, batch: Batch, *, z_loss: float = 0.0, label_smoothing: float = 0.0) -> Loss:
    """Prediction of one sequence from another; rows hold several pairs, of which none sees another.

    Args:
        model: An encoder–decoder of transformers.
        batch: `input_ids`, `segments`: int64[B, S]; `decoder_input_ids`, `decoder_segments`, `labels`: int64[B, T].
        z_loss: Weight of log²Z.
        label_smoothing: Share of the target that goes to all pieces alike.
    """
    sources, targets = batch["segments"], batch["decoder_segments"]
    encoded = model.get_encoder()(
        input_ids=batch["input_ids"], attention_mask=document_mask(sources, sources)
    ).last_hidden_state
    hidden = model.get_decoder()(
        input_ids=batch["decoder_input_ids"],
        attention_mask=document_mask(targets, targets, causal=True),
        encoder_hidden_states=encoded,
        encoder_attention_mask=document_mask(targets, sources),
        use_cache=False,
    ).last_hidden_state
    return _loss(model, hidden, batch, z_loss, label_smoothing)


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


def _loss(model: Any, hidden: torch.Tensor, batch: Batch, z_loss: float, label_smoothing: float) -> Loss:
    found, count = predict_labels(model, hidden, batch["labels"], z_loss=z_loss, label_smoothing=label_smoothing)
    return Loss(found.total, count, found.correct)
