"""Cross-entropy straight from hidden states, a few rows at a time.

With a vocabulary of 8,192 the logits of a step of 4,096 tokens are 134 MB in float32, their softmax and gradient as
much again. Here each chunk's gradient is computed in the forward pass and its logits are dropped at once, so memory is
bounded by one chunk and nothing is computed twice (the idea of Liger's fused linear cross-entropy, Hsu et al., 2024).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from schemas.tokens import IGNORED_LABEL

ROWS_PER_CHUNK = 512
"""16 MB of float32 logits at a vocabulary of 8,192."""


class CrossEntropy(NamedTuple):
    """What a batch of predictions costs.

    Attributes:
        total: float32 scalar, nats, with its gradient.
        correct: int64 scalar: how many labels had the highest logit.
    """

    total: torch.Tensor
    correct: torch.Tensor


def cross_entropy(
    hidden: torch.Tensor,
    head: torch.Tensor,
    labels: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    z_loss: float = 0.0,
    label_smoothing: float = 0.0,
    rows: int = ROWS_PER_CHUNK,
) -> CrossEntropy:
    """Returns the sum of the negative log-likelihoods of the labels, and how many were the likeliest.

    Args:
        hidden: [n, d]; what precedes the output head.
        head: [vocabulary, d]; its weights.
        labels: int64[n]; `IGNORED_LABEL` where nothing is predicted: such rows cost nothing.
        bias: [vocabulary]; added to the logits.
        z_loss: Weight of log²Z, which keeps logits from drifting (PaLM, Chowdhery et al., 2022, section 5).
        label_smoothing: Share of the target that goes to all pieces alike (Szegedy et al., 2016, section 7).
        rows: Rows whose logits exist at once.
    """
    counted = (labels != IGNORED_LABEL).nonzero().squeeze(-1)
    if counted.numel() < labels.numel():
        hidden, labels = hidden.index_select(0, counted), labels.index_select(0, counted)
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
        hidden, head = hidden.to(kind), head.to(kind)
    found: tuple[torch.Tensor, torch.Tensor] = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, head, bias, labels, z_loss, label_smoothing, rows
    )
    return CrossEntropy(*found)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        head: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        z_loss: float,
        label_smoothing: float,
        rows: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wanted = any(ctx.needs_input_grad)
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        correct = torch.zeros((), dtype=torch.int64, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden) if wanted else None
        head_gradient = torch.zeros(head.shape, dtype=torch.float32, device=head.device) if wanted else None
        bias_gradient = torch.zeros_like(bias, dtype=torch.float32) if wanted and bias is not None else None
        for start in range(0, hidden.size(0), rows):
            chunk = hidden[start : start + rows]
            chosen = labels[start : start + rows].unsqueeze(-1)
            logits = (chunk @ head.T).float()
            if bias is not None:
                logits += bias
            highest = logits.amax(dim=-1, keepdim=True)
            logits -= highest
            picked = logits.gather(-1, chosen)
            correct += (picked == 0).sum()
            target = picked
            if label_smoothing:
                target = torch.lerp(picked, logits.mean(dim=-1, keepdim=True), label_smoothing)
            logits.exp_()
            norm = logits.sum(dim=-1, keepdim=True)
            log_norm = norm.log()
            total += (log_norm - target).sum(dtype=torch.float64)
            slope_of_norm = 1.0 / norm
            if z_loss:
                log_norm += highest
                total += z_loss * log_norm.square().sum(dtype=torch.float64)
                slope_of_norm *= 1.0 + 2.0 * z_loss * log_norm
            if hidden_gradient is not None and head_gradient is not None:
                logits *= slope_of_norm
                logits.scatter_add_(-1, chosen, torch.full_like(picked, label_smoothing - 1.0))
                if label_smoothing:
                    logits -= label_smoothing / logits.size(-1)
                if bias_gradient is not None:
                    bias_gradient += logits.sum(dim=0)
                slope = logits.to(head.dtype)
                torch.mm(slope, head, out=hidden_gradient[start : start + rows])
                if head.dtype == torch.float32:
                    head_gradient.addmm_(slope.T, chunk)
                else:
                    head_gradient += slope.T @ chunk
        ctx.mark_non_differentiable(correct)
        if hidden_gradient is not None and head_gradient is not None:
            ctx.save_for_backward(hidden_gradient, head_gradient.to(head.dtype), bias_gradient)
        return total.float(), correct

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden_gradient, head_gradient, bias_gradient = ctx.saved_tensors
        scale = gradients[0]
        of_bias = None if bias_gradient is None else bias_gradient * scale
        return hidden_gradient * scale, head_gradient * scale, of_bias, None, None, None, None
