"""The chunked cross-entropy equals torch's, gradient included."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.loss import cross_entropy
from tasks.modeling.models import build_model
from tasks.modeling.objectives import language_modeling_loss
from tasks.modeling.precision import autocast


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 9),
    rows=st.integers(1, 5),
    masked=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 99),
    biased=st.booleans(),
    z_loss=st.sampled_from([0.0, 0.01, 0.5]),
    label_smoothing=st.sampled_from([0.0, 0.1]),
)
def test_value_and_gradients_equal_those_of_torch(
    n: int, rows: int, masked: set[int], seed: int, biased: bool, z_loss: float, label_smoothing: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, 4, generator=generator, requires_grad=True)
    head = torch.randn(7, 4, generator=generator, requires_grad=True)
    bias = torch.randn(7, generator=generator, requires_grad=True) if biased else None
    labels = torch.randint(0, 7, (n,), generator=generator)
    for place in masked:
        labels[place : place + 1] = -100
    ours = cross_entropy(hidden, head, labels, bias=bias, z_loss=z_loss, label_smoothing=label_smoothing, rows=rows)
    logits = hidden @ head.T if bias is None else hidden @ head.T + bias
    counted = labels >= 0
    theirs = torch.nn.functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
    theirs = theirs + z_loss * logits[counted].logsumexp(-1).square().sum()
    torch.testing.assert_close(ours.total, theirs)
    assert int(ours.correct) == int((logits[counted].argmax(-1) == labels[counted]).sum())
    leaves = [leaf for leaf in (hidden, head, bias) if leaf is not None]
    wanted = torch.autograd.grad(theirs * 0.5, leaves)
    found = torch.autograd.grad(ours.total * 0.5, leaves)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("tied", [True, False])
def test_a_models_gradient_equals_that_of_its_own_loss(tied: bool) -> None:
    spec = ModelSpec(30, 16, 1, 2, 1, 24, 8, tied_embeddings=tied)
    ids = torch.arange(16).view(2, 8)
    batch = {"input_ids": ids, "labels": ids + 1, "position_ids": torch.arange(8).repeat(2, 1)}
    ours, theirs = build_model(spec, 0), build_model(spec, 0)
    loss = language_modeling_loss(ours, batch)
    loss.total.backward()
    logits = theirs(input_ids=ids, position_ids=batch["position_ids"]).logits
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), (ids + 1).flatten(), reduction="sum").backward()
    assert loss.count == 16
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4)


def test_bfloat16_stays_near_float32_and_gives_float32_gradients() -> None:
    spec = ModelSpec(30, 16, 1, 2, 1, 24, 8)
    ids = torch.arange(16).view(2, 8)
    batch = {"input_ids": ids, "labels": ids + 1, "position_ids": torch.arange(8).repeat(2, 1)}
    model = build_model(spec, 0)
    exact = float(language_modeling_loss(model, batch).total.detach())
    with autocast("bf16"):
        loss = language_modeling_loss(model, batch)
    loss.total.backward()
    assert abs(float(loss.total.detach()) - exact) < 0.01 * exact
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
