"""Cross-entropy straight from hidden states, a few rows at a time.

With a vocabulary of 8,192 the logits of a step of 4,096 tokens are 134 MB in float32, their softmax and gradient as
much again. Here each chunk's gradient is computed in the forward pass and takes the place of its logits, so memory is
bounded by one chunk and nothing is computed twice (the idea of Liger's fused linear cross-entropy, Hsu et al., 2024).

Matrix products are done over chunks, what lies between them over slices of a chunk that stay in a processor's cache. In
bfloat16, on one thread, 1,024 rows of width 384 took 316 ms this way and 436 without the slices at a vocabulary of
32,768, and 2,048 rows 128 and 151 at 8,192, of which the three matrix products alone are 216 and 109.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from schemas.tokens import IGNORED_LABEL

CHUNK_BYTES = {"cpu": 24 << 20}
"""Of logits that exist at once, by kind of device. Each chunk adds to the whole gradient of the head, so small ones
cost time; from 32 MB on, the C library gives memory back to the system and takes it anew for each."""

LARGE_CHUNK_BYTES = 256 << 20
"""The same where it is not named: accelerators need many rows to be busy."""

SLICE_VALUES = 1 << 20
"""Of a chunk that a processor turns into their gradient together: 4 MB in float32. Elsewhere a whole chunk is."""


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
    rows: int | None = None,
) -> CrossEntropy:
    """Returns the sum of the negative log-likelihoods of the labels, and how many were the likeliest.

    Args:
        hidden: [n, d]; what precedes the output head.
        head: [vocabulary, d]; its weights.
        labels: int64[n]; `IGNORED_LABEL` where nothing is predicted: such rows cost nothing.
        bias: [vocabulary]; added to the logits.
        z_loss: Weight of log²Z, which keeps logits from drifting (PaLM, Chowdhery et al., 2022, section 5).
        label_smoothing: Share of the target that goes to all pieces alike (Szegedy et al., 2016, section 7).
        rows: Rows whose logits exist at once; None for as many as `CHUNK_BYTES` allows.
    """
    counted = (labels != IGNORED_LABEL).nonzero().squeeze(-1)
    if counted.numel() < labels.numel():
        hidden, labels = hidden.index_select(0, counted), labels.index_select(0, counted)
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
        hidden, head = hidden.to(kind), head.to(kind)
    if rows is None:
        rows = max(1, CHUNK_BYTES.get(device, LARGE_CHUNK_BYTES) // (head.size(0) * head.element_size()))
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
        head_gradient: torch.Tensor | None = None
        bias_gradient = torch.zeros_like(bias, dtype=torch.float32) if wanted and bias is not None else None
        slice_rows = max(1, SLICE_VALUES // head.size(0)) if hidden.device.type == "cpu" else rows
        for start in range(0, hidden.size(0), rows):
            chunk = hidden[start : start + rows]
            slope = chunk @ head.T  # logits, until each slice is overwritten by its gradient
            chosen = labels[start : start + rows].unsqueeze(-1)
            for part, targets in zip(torch.split(slope, slice_rows), torch.split(chosen, slice_rows), strict=True):
                logits = part.float() if bias is None else part.float().add_(bias)
                logs = torch.log_softmax(logits, dim=-1)
                picked = logs.gather(-1, targets)
                correct += (picked == logs.amax(dim=-1, keepdim=True)).sum()
                likelihood = picked
                if label_smoothing:
                    likelihood = torch.lerp(picked, logs.mean(dim=-1, keepdim=True), label_smoothing)
                total -= likelihood.sum(dtype=torch.float64)
                log_norm = logits.gather(-1, targets) - picked if z_loss else None
                if log_norm is not None:
                    total += z_loss * log_norm.square().sum(dtype=torch.float64)
                if not wanted:
                    continue
                logs.exp_()
                if log_norm is not None:
                    logs *= 1.0 + 2.0 * z_loss * log_norm
                logs.scatter_add_(-1, targets, torch.full_like(picked, label_smoothing - 1.0))
                if label_smoothing:
                    logs -= label_smoothing / logs.size(-1)
                if bias_gradient is not None:
                    bias_gradient += logs.sum(dim=0)
                part.copy_(logs)
            if hidden_gradient is None:
                continue
            torch.mm(slope, head, out=hidden_gradient[start : start + rows])
            product = slope.T @ chunk
            if head_gradient is None:
                head_gradient = product.float()
            else:
                head_gradient += product
        ctx.mark_non_differentiable(correct)
        if wanted:
            if head_gradient is None:  # no rows
                head_gradient = torch.zeros_like(head)
            ctx.save_for_backward(hidden_gradient, head_gradient.to(head.dtype), bias_gradient)
        return total.float(), correct

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden_gradient, head_gradient, bias_gradient = ctx.saved_tensors
        scale = gradients[0]
        of_bias = None if bias_gradient is None else bias_gradient * scale
        return hidden_gradient * scale, head_gradient * scale, of_bias, None, None, None, None
