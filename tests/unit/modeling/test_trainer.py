"""The trainer: exact resume from anywhere, exact accumulation, and clear ends."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_training
from toy_training import SETTINGS, SPEC, stopping_at, toy_batch, toy_train

from schemas.errors import Interrupted, StageFailed
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.models import build_model
from tasks.modeling.objectives import Loss, language_modeling_loss
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Callbacks
from tasks.modeling.validation import mean_loss


def _weights(model: Any) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in model.named_parameters()}


def _disturb_generators() -> None:
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


def test_the_loss_falls(tmp_path: Path) -> None:
    _, result = toy_train(tmp_path, steps=30)
    assert [record.step for record in result.records] == list(range(1, 31))
    assert result.mean_loss(3) < 0.7 * result.records[0].loss
    assert result.tokens == 30 * 5 * 16


@pytest.mark.parametrize("calls", [1, 2, 3, 8, 11, 26])
@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_stopped_in_mid_accumulation_it_loses_no_step_and_ends_with_the_same_bytes(
    tmp_path: Path, calls: int, kind: Any
) -> None:
    optimizer = OptimizerSettings(learning_rate=0.01, kind=kind)
    whole, expected = toy_train(tmp_path / "whole", optimizer=optimizer)
    with pytest.raises(Interrupted):
        toy_train(tmp_path / "stopped", stopping=stopping_at(calls), optimizer=optimizer)
    _disturb_generators()
    resumed_at: list[int] = []
    model, result = toy_train(tmp_path / "stopped", on_resume=resumed_at.append, optimizer=optimizer)
    done = (calls - 1) // 3  # three micro-batches a step
    assert resumed_at == ([done] if done else [])
    assert _weights(model) == _weights(whole)
    assert result.records == expected.records


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    whole, expected = toy_train(tmp_path)
    model, result = toy_train(tmp_path, on_step=lambda record, rate: pytest.fail("a step was done"))
    assert _weights(model) == _weights(whole)
    assert result.records == expected.records


def test_how_a_step_is_cut_into_micro_batches_changes_rounding_only(tmp_path: Path) -> None:
    def gradient_norms(micro_batch_size: int) -> list[float]:
        model = build_model(toy_training.ModelSpec(60, 16, 1, 2, 1, 24, 16), seed=0)
        settings = toy_training.replace(SETTINGS, micro_batch_size=micro_batch_size, steps=3)
        checkpoints = Checkpoints(tmp_path / str(micro_batch_size), pytest.fail)
        result = train(model, language_modeling_loss, _uneven, settings, checkpoints, Callbacks())
        return [value for record in result.records for value in (record.gradient_norm, record.loss)]

    assert gradient_norms(1) == pytest.approx(gradient_norms(5), rel=1e-4)


def _uneven(position: int, count: int) -> Any:
    """Rows in which ever more labels are masked, so that a mean of means would differ."""
    batch = dict(toy_batch(position, count))
    labels = batch["labels"].clone()
    for row in range(count):
        labels[row, : 3 * ((position + row) % 5)] = -100
    return {**batch, "labels": labels}


def test_a_loss_that_is_no_number_names_its_step(tmp_path: Path) -> None:
    asked = 0

    def objective(model: Any, batch: Any) -> Loss:
        nonlocal asked
        asked += 1
        loss = language_modeling_loss(model, batch)
        return Loss(loss.total * (float("nan") if asked == 8 else 1.0), loss.count)  # three micro-batches a step

    model = build_model(SPEC, seed=0)
    with pytest.raises(StageFailed, match="step 3: the loss is no number") as failure:
        train(model, objective, toy_batch, SETTINGS, Checkpoints(tmp_path, pytest.fail), Callbacks())
    assert "learning rate" in failure.value.hint


def test_batches_with_nothing_to_predict_are_an_error(tmp_path: Path) -> None:
    def masked(position: int, count: int) -> Any:
        return {**toy_batch(position, count), "labels": torch.full((count, 16), -100)}

    model = build_model(SPEC, seed=0)
    with pytest.raises(StageFailed, match="nothing to predict"):
        train(model, language_modeling_loss, masked, SETTINGS, Checkpoints(tmp_path, pytest.fail), Callbacks())


def test_validation_draws_nothing_and_leaves_no_gradient() -> None:
    model = build_model(SPEC, seed=0)
    before = torch.get_rng_state()
    loss = mean_loss(model, language_modeling_loss, toy_batch, samples=5, batch_size=2, precision="fp32")
    assert loss == pytest.approx(
        mean_loss(model, language_modeling_loss, toy_batch, samples=5, batch_size=5, precision="fp32"), rel=1e-5
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in model.parameters())


def test_bfloat16_training_is_resumed_exactly_too(tmp_path: Path) -> None:
    whole, _ = toy_train(tmp_path / "whole", precision="bf16", steps=4, checkpoint_every=2)
    asked = iter([*[False] * 8, True])
    with pytest.raises(Interrupted):
        toy_train(tmp_path / "stopped", precision="bf16", steps=4, checkpoint_every=2, stopping=lambda: next(asked))
    model, _ = toy_train(tmp_path / "stopped", precision="bf16", steps=4, checkpoint_every=2)
    assert _weights(model) == _weights(whole)
