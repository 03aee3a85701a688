"""Running means of weights, early stopping, the best weights, float16, and recomputed activations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import SETTINGS, SPEC, stopping_at, toy_batch, toy_train

from schemas.errors import Interrupted
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.models import build_model
from tasks.modeling.objectives import Loss, language_modeling_loss
from tasks.modeling.precision import LossScale
from tasks.modeling.trainer import train
from tasks.modeling.training_interface import Callbacks, StepTimings
from tasks.modeling.validation import mean_loss


def _bytes(model: Any) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def _stopped_and_resumed(folder: Path, calls: int, **settings: Any) -> tuple[Any, Any]:
    with pytest.raises(Interrupted):
        toy_train(folder, stopping=stopping_at(calls), **settings)
    return toy_train(folder, **settings)


def test_the_mean_of_the_weights_is_validated_and_left_in_the_model(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    model, result = toy_train(tmp_path, ema_decay=0.5, checkpoint_every=1, steps=4)
    plain = build_model(SPEC, seed=0)
    mean = plain.lm_head.weight.detach().clone()
    for step in range(1, 5):
        checkpoints = Checkpoints(tmp_path / "each", pytest.fail, keep=9)
        weights = _weights_after(checkpoints, step)
        seen.append(weights)
        mean = torch.lerp(mean, weights, 1 - min(0.5, (1 + step) / (10 + step)))
    torch.testing.assert_close(model.lm_head.weight.detach(), mean)
    assert not torch.equal(model.lm_head.weight, seen[-1])
    assert result.valid_loss == pytest.approx(mean_loss(model, language_modeling_loss, toy_batch, 7, 3, "fp32"))


def _weights_after(checkpoints: Checkpoints, step: int) -> torch.Tensor:
    if not checkpoints.steps():
        model = build_model(SPEC, seed=0)
        settings = _changed(steps=4, checkpoint_every=1)
        train(model, language_modeling_loss, toy_batch, settings, checkpoints, Callbacks())
    return checkpoints.read(step).weights["model.embed_tokens.weight"]


def _changed(**changes: Any) -> Any:
    from dataclasses import replace

    return replace(SETTINGS, **changes)


@pytest.mark.parametrize("calls", [5, 14])
def test_with_a_mean_a_stopped_training_ends_with_the_same_bytes(tmp_path: Path, calls: int) -> None:
    whole, expected = toy_train(tmp_path / "whole", ema_decay=0.8)
    model, result = _stopped_and_resumed(tmp_path / "stopped", calls, ema_decay=0.8)
    assert _bytes(model) == _bytes(whole)
    assert result.records == expected.records


def _losses(*values: float) -> Any:
    """A validation that finds these losses in turn, by the step that they are asked at."""
    return dict(enumerate(values, start=1))


@pytest.mark.parametrize("calls", [0, 4, 10, 16])
def test_training_stops_after_so_many_validations_without_a_better_one(tmp_path: Path, calls: int) -> None:
    losses = _losses(5.0, 4.0, 4.5, 3.0, 3.5, 3.0, 9.0, 9.0, 9.0)
    settings = _changed(steps=9, evaluate_every=1, patience=2, export="best", checkpoint_every=5)
    weights: dict[int, bytes] = {}

    def once(folder: Path, stop_at: int) -> tuple[Any, Any]:
        model = build_model(SPEC, seed=0)
        checkpoints = Checkpoints(folder, pytest.fail)
        asked = 0
        reached = max(checkpoints.steps(), default=0)

        def evaluate(trained: Any) -> float:
            nonlocal reached
            reached += 1
            weights[reached] = _bytes(trained)
            return losses[reached]

        def stopping() -> bool:
            nonlocal asked
            asked += 1
            return asked == stop_at

        callbacks = Callbacks(evaluate=evaluate, stopping=stopping)
        return model, train(model, language_modeling_loss, toy_batch, settings, checkpoints, callbacks)

    if calls:
        with pytest.raises(Interrupted):
            once(tmp_path, calls)
    model, result = once(tmp_path, 0)
    assert result.steps == 6 and result.exported_step == 4
    assert result.valid_loss == 3.0
    assert _bytes(model) == weights[4]
    again, same = once(tmp_path, 0)
    assert _bytes(again) == weights[4] and same.steps == 6, "a finished training is not gone on with"


def test_a_checkpoint_whose_best_is_damaged_is_passed_over(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = {"evaluate_every": 1, "export": "best"}
    whole, result = toy_train(tmp_path, **settings)
    best = result.exported_step
    path = tmp_path / f"step-{best:08d}" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    model, _ = toy_train(tmp_path, warn=warnings.append, **settings)
    assert (warnings and f"step-{best:08d}" in " ".join(warnings)) or f"step {best}" in " ".join(warnings)
    assert _bytes(model) == _bytes(whole)


def test_float16_lowers_its_scale_and_loses_no_sample(tmp_path: Path) -> None:
    def objective(model: Any, batch: Any) -> Loss:
        loss = language_modeling_loss(model, batch)
        return Loss(loss.total * 3e4, loss.count)  # so that float16 gradients overflow at the first scale

    read: list[int] = []

    def batches(position: int, count: int) -> Any:
        read.append(position)
        return toy_batch(position, count)

    settings = _changed(precision="fp16", steps=3, micro_batch_size=5)
    model = build_model(SPEC, seed=0)
    result = train(model, objective, batches, settings, Checkpoints(tmp_path, pytest.fail), Callbacks())
    assert [record.step for record in result.records] == [1, 2, 3]
    assert read.count(0) > 1 and sorted(set(read)) == [0, 5, 10]
    assert not result.state.events and result.state.samples == 15
    assert result.state.scale.scale == LossScale.INITIAL / 2 ** (len(read) - 3)
    saved = json.loads((tmp_path / "step-00000003/state.json").read_text())
    assert saved["scale"] == {"scale": result.state.scale.scale, "good_steps": result.state.scale.good_steps}


def test_float16_is_resumed_exactly_and_learns_as_float32_does(tmp_path: Path) -> None:
    whole, result = toy_train(tmp_path / "whole", precision="fp16")
    model, _ = _stopped_and_resumed(tmp_path / "stopped", 14, precision="fp16")
    assert _bytes(model) == _bytes(whole)
    _, plain = toy_train(tmp_path / "plain")
    assert result.records[-1].loss == pytest.approx(plain.records[-1].loss, rel=0.02)


def test_activations_computed_again_change_no_byte(tmp_path: Path) -> None:
    plain, _ = toy_train(tmp_path / "plain", steps=3)
    again, _ = toy_train(tmp_path / "again", steps=3, activation_checkpointing=True)
    assert _bytes(again) == _bytes(plain)


def test_when_checkpoints_are_written_decides_no_byte(tmp_path: Path) -> None:
    plain, expected = toy_train(tmp_path / "plain", checkpoint_every=0)
    often, result = toy_train(tmp_path / "often", checkpoint_every=0, checkpoint_minutes=1e-9)
    assert _bytes(often) == _bytes(plain) and result.records == expected.records
    assert Checkpoints(tmp_path / "plain", pytest.fail).steps() == [9]
    assert Checkpoints(tmp_path / "often", pytest.fail).steps() == [8, 9]


def test_each_step_tells_where_its_time_went_and_what_it_predicted_rightly(tmp_path: Path) -> None:
    told: list[StepTimings] = []
    _, result = toy_train(tmp_path, steps=4, on_step=lambda record, timings: told.append(timings))
    assert all({"data", "forward", "backward", "optimizer"} <= set(timings.seconds) for timings in told)
    assert "checkpoint" in told[2].seconds and "checkpoint" not in told[1].seconds
    assert all(record.accuracy is not None and 0 <= record.accuracy <= 1 for record in result.records)
    norms = result.records[0].layer_norms
    assert norms is not None and set(norms) == {"embeddings", "layer.0", "layer.1", "other"}
