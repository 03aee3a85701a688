"""Cross-entropy straight from hidden states, a few rows at a time.

With a vocabulary of 8,192 the logits of a step of 4,096 tokens are 134 MB in float32, their softmax and gradient as
much again. Here each chunk's gradient is computed in the forward pass and its logits are dropped at once, so memory is
bounded by one chunk and nothing is computed twice (the idea of Liger's fused linear cross-entropy, Hsu et al., 2024).
"""

from __future__ import annotations

from typing import Any

import torch

from schemas.tokens import IGNORED_LABEL

ROWS_PER_CHUNK = 512
"""16 MB of float32 logits at a vocabulary of 8,192."""


def cross_entropy_sum(
    hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor, rows: int = ROWS_PER_CHUNK
) -> torch.Tensor:
    """Returns the sum of the negative log-likelihoods of the labels, in nats.

    Args:
        hidden: [n, d]; what precedes the output head.
        head: [vocabulary, d]; its weights.
        labels: int64[n]; `IGNORED_LABEL` where nothing is predicted: such rows cost nothing.
        rows: Rows whose logits exist at once.
    """
    counted = (labels != IGNORED_LABEL).nonzero().squeeze(-1)
    if counted.numel() < labels.numel():
        hidden, labels = hidden.index_select(0, counted), labels.index_select(0, counted)
    if torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        hidden, head = hidden.to(kind), head.to(kind)
    total: torch.Tensor = _ChunkedCrossEntropy.apply(hidden, head, labels, rows)  # type: ignore[no-untyped-call]
    return total


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        wanted = any(ctx.needs_input_grad)
        total = torch.zeros((), dtype=torch.float64)
        hidden_gradient = torch.empty_like(hidden) if wanted else None
        head_gradient = torch.zeros(head.shape, dtype=torch.float32) if wanted else None
        for start in range(0, hidden.size(0), rows):
            chunk = hidden[start : start + rows]
            chosen = labels[start : start + rows].unsqueeze(-1)
            logits = (chunk @ head.T).float()
            logits -= logits.amax(dim=-1, keepdim=True)
            picked = logits.gather(-1, chosen)
            logits.exp_()
            norm = logits.sum(dim=-1, keepdim=True)
            total += (norm.log() - picked).sum(dtype=torch.float64)
            if hidden_gradient is not None and head_gradient is not None:
                logits /= norm
                logits.scatter_add_(-1, chosen, torch.full_like(picked, -1.0))
                slope = logits.to(head.dtype)
                torch.mm(slope, head, out=hidden_gradient[start : start + rows])
                if head.dtype == torch.float32:
                    head_gradient.addmm_(slope.T, chunk)
                else:
                    head_gradient += slope.T @ chunk
        if hidden_gradient is not None and head_gradient is not None:
            ctx.save_for_backward(hidden_gradient, head_gradient.to(head.dtype))
        return total.float()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * gradients[0], head_gradient * gradients[0], None, None
