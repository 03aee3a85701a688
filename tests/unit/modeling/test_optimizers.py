"""Muon against a plain reference and torch's own; groups, clipping, and a state that is plain tensors."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.models import build_model
from tasks.modeling.muon import ADAMW_RMS, Muon, orthogonalize
from tasks.modeling.optimizers import Optimizers, OptimizerSettings

SPEC = ModelSpec(vocabulary=40, hidden_size=16, layers=2, heads=2, kv_heads=1, intermediate_size=24, context_length=8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 24, 16), (2, 16, 24), (3, 16, 40)])
def test_newton_schulz_keeps_the_singular_vectors_and_levels_the_values(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.mT @ orthogonalize(matrix) @ v.mT  # diagonal if the singular vectors are kept
    values = inner.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(inner, torch.diag_embed(values), atol=1e-4, rtol=0)
    assert values.min() > 0.3 and values.max() < 1.3
    coarse = orthogonalize(matrix, dtype=torch.bfloat16)
    assert coarse.dtype == torch.float32
    assert (coarse - orthogonalize(matrix)).norm() < 0.05 * coarse.norm()


def test_muon_follows_the_plain_definition_over_several_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(12, 8, generator=generator))
    plain, momentum = weight.detach().clone().double(), torch.zeros(12, 8, dtype=torch.float64)
    optimizer = Muon([weight], lr=0.02, momentum=0.9, weight_decay=0.1)
    for _ in range(4):
        weight.grad = torch.randn(12, 8, generator=generator)
        gradient = weight.grad.double()
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        x = 0.1 * gradient + 0.9 * momentum  # Nesterov
        x = x / x.norm()
        for _ in range(5):
            gram = x.T @ x  # the plain form, from the other side
            x = 3.4445 * x - 4.7750 * x @ gram + 2.0315 * x @ gram @ gram
        plain = plain * (1 - 0.02 * 0.1) - 0.02 * 0.2 * math.sqrt(12) * x
    torch.testing.assert_close(weight.detach().double(), plain, atol=1e-4, rtol=1e-4)


def test_muon_agrees_with_torchs_own() -> None:
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(16, 24, generator=generator)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    first = Muon([ours], lr=0.01, momentum=0.95, weight_decay=0.1)
    second = torch.optim.Muon(
        [theirs], lr=0.01, momentum=0.95, weight_decay=0.1, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(3):
        ours.grad = torch.randn(16, 24, generator=generator)
        theirs.grad = ours.grad.clone()
        first.step()
        second.step()
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0.02)  # torch's iterates in bfloat16


def test_muons_update_has_the_size_of_an_adamw_update() -> None:
    weight = torch.nn.Parameter(torch.zeros(64, 96))
    weight.grad = torch.randn(64, 96, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=1.0).step()
    assert 0.6 * ADAMW_RMS < float(weight.detach().square().mean().sqrt()) < 1.2 * ADAMW_RMS


def test_only_hidden_matrices_decay() -> None:
    model = build_model(SPEC, seed=0)
    optimizers = Optimizers(model, OptimizerSettings(learning_rate=0.1, weight_decay=0.5))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.step(factor=1.0, norm=optimizers.average(1).total)
    for name, parameter in model.named_parameters():
        expected = before[name] * (0.95 if "proj" in name else 1.0)
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("kind", ["muon", "adamw", "sgd", "adafactor"])
def test_the_gradient_is_averaged_and_its_norm_is_told_before_clipping(kind: str) -> None:
    model = build_model(SPEC, seed=0)
    optimizers = Optimizers(model, OptimizerSettings(learning_rate=0.1, kind=kind, gradient_clip=1e-9))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    norm = optimizers.average(4).total
    optimizers.step(factor=0.0, norm=norm)
    assert norm == pytest.approx(math.sqrt(sum(p.numel() for p in model.parameters())) / 4)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["muon", "adamw", "sgd", "adafactor"])
def test_a_state_taken_over_continues_with_equal_bytes(kind: str) -> None:
    settings = OptimizerSettings(learning_rate=0.01, kind=kind, weight_decay=0.1)

    def step(model: torch.nn.Module, optimizers: Optimizers, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizers.step(factor=1.0, norm=optimizers.average(1).total)

    model = build_model(SPEC, seed=0)
    optimizers = Optimizers(model, settings)
    step(model, optimizers, 1)
    copy = build_model(SPEC, seed=5)
    copy.load_state_dict(model.state_dict())
    successor = Optimizers(copy, settings)
    successor.load(optimizers.state())
    for seed in (2, 3):
        step(model, optimizers, seed)
        step(copy, successor, seed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), copy.parameters(), strict=True))


REFERENCES: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.0),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.05, weight_decay=0.0),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_each_kind_follows_torchs_own_with_decay_taken_from_the_weights_first(kind: Any) -> None:
    settings = OptimizerSettings(
        learning_rate=0.05,
        kind=kind,
        weight_decay=0.1,
        momentum=0.9,
        beta1=0.8,
        beta2=0.9,
        epsilon=1e-6,
        gradient_clip=0.0,
    )
    ours, theirs = build_model(SPEC, seed=0), build_model(SPEC, seed=0)
    optimizers, reference = Optimizers(ours, settings), REFERENCES[kind](list(theirs.parameters()))
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad / 4
        optimizers.step(factor=1.0, norm=optimizers.average(4).total)
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                parameter.mul_(1 - 0.05 * 0.1 if "proj" in name else 1.0)
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 if kind != "adafactor" else 1e-3, rtol=1e-4)


def test_penalties_are_the_gradient_of_what_they_add_to_the_loss() -> None:
    model = build_model(SPEC, seed=0)
    settings = OptimizerSettings(learning_rate=0.1, l1=0.3, l2=0.7)
    optimizers = Optimizers(model, settings)
    matrices = [p for name, p in model.named_parameters() if "proj" in name]
    penalty = sum(0.3 * p.abs().sum() + 0.35 * p.square().sum() for p in matrices)
    expected = torch.autograd.grad(penalty, matrices)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    norms = optimizers.average(5)
    for parameter, gradient in zip(matrices, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert norms.layers["embeddings"] == 0 and norms.layers["layer.0"] > 0
    assert norms.total == pytest.approx(math.sqrt(sum(norm**2 for norm in norms.layers.values())))


def test_a_clipped_gradient_has_the_norm_it_is_clipped_to() -> None:
    model = build_model(SPEC, seed=0)
    before = [p.detach().clone() for p in model.parameters()]
    optimizers = Optimizers(model, OptimizerSettings(1.0, kind="sgd", momentum=0.0, gradient_clip=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(factor=1.0, norm=optimizers.average(1).total)
    moved = sum(float((p - old).detach().square().sum()) for p, old in zip(model.parameters(), before, strict=True))
    assert math.sqrt(moved) == pytest.approx(0.5, rel=1e-4)
