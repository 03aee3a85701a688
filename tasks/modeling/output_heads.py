"""What stands between a model's last hidden states and its logits, for every class that is pretrained here.

The chunked cross-entropy wants hidden states, a matrix and a bias instead of logits. Each head is applied to the rows
that predict something only.
"""

from __future__ import annotations

from typing import Any

import torch

from schemas.tokens import IGNORED_LABEL
from tasks.modeling.loss import CrossEntropy, cross_entropy


def predict_labels(
    model: Any, hidden: torch.Tensor, labels: torch.Tensor, *, z_loss: float, label_smoothing: float
) -> tuple[CrossEntropy, int]:
    """Returns the cross-entropy of a model's predictions, and how many there were.

    Args:
        model: A language model of transformers.
        hidden: [B, T, d]; the last hidden states of its decoder, or of its encoder if it has no other.
        labels: int64[B, T]; `IGNORED_LABEL` where nothing is predicted.
        z_loss: Weight of log²Z.
        label_smoothing: Share of the target that goes to all pieces alike.
    """
    labels = labels.flatten()
    asked = (labels != IGNORED_LABEL).nonzero().squeeze(-1)
    hidden = hidden.flatten(0, 1)
    if asked.numel() < labels.numel():
        hidden, labels = hidden.index_select(0, asked), labels.index_select(0, asked)
    bias = None
    kind = model.config.model_type
    if kind == "bert":
        hidden = model.cls.predictions.transform(hidden)
        bias = model.cls.predictions.decoder.bias
    elif kind == "t5" and model.config.scale_decoder_outputs:
        hidden = hidden * model.config.d_model**-0.5
    elif kind in ("bart", "marian"):
        bias = model.final_logits_bias.squeeze(0)
    weight = model.get_output_embeddings().weight
    found = cross_entropy(hidden, weight, labels, bias=bias, z_loss=z_loss, label_smoothing=label_smoothing)
    return found, asked.numel()
