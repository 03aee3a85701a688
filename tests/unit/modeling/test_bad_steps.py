"""Losses that are no number, and spikes: skipped, rolled back or fatal, the same when killed in between."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_training import stopping_at, toy_batch, toy_train

from schemas.errors import Interrupted, StageFailed
from tasks.modeling.bad_steps import BadStepSettings, LossTrend
from tasks.modeling.objectives import Batch
from tasks.modeling.optimizers import OptimizerSettings

FAST = OptimizerSettings(learning_rate=0.05)
BAD_FROM = 25
"""The sixth step's first sample."""


def _spoilt(position: int, count: int) -> Batch:
    """The toy's batches, of which one asks for a piece that never comes."""
    batch = dict(toy_batch(position, count))
    if BAD_FROM <= position < BAD_FROM + 5:
        batch["labels"] = torch.full_like(batch["labels"], 5)
    return batch


def _settings(action: Any, **changes: Any) -> BadStepSettings:
    return BadStepSettings(action, spike_deviations=2.0, spike_window=3, rollback_every=4, **changes)


def _bytes(model: Any) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


@pytest.mark.parametrize(("action", "back_to"), [("skip", 5), ("rollback", 4)])
def test_a_spike_costs_its_samples_and_no_step(tmp_path: Path, action: str, back_to: int) -> None:
    events: list[str] = []
    _, result = toy_train(
        tmp_path, batches=_spoilt, optimizer=FAST, bad_steps=_settings(action), on_event=events.append
    )
    assert [record.step for record in result.records] == list(range(1, 10))
    (event,) = result.state.events
    assert (event.step, event.samples, event.back_to) == (6, BAD_FROM, back_to)
    assert "spike" in events[0] and "step 6" in events[0]
    assert result.state.samples == 5 * (9 + 1 + (5 - back_to)), "no sample is read again"


@pytest.mark.parametrize("action", ["skip", "rollback"])
@pytest.mark.parametrize("calls", [10, 17, 20, 23])
def test_stopped_around_a_spike_it_ends_with_the_same_bytes(tmp_path: Path, action: str, calls: int) -> None:
    settings: dict[str, Any] = {"batches": _spoilt, "optimizer": FAST, "bad_steps": _settings(action)}
    whole, expected = toy_train(tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        toy_train(tmp_path / "stopped", stopping=stopping_at(calls), **settings)
    model, result = toy_train(tmp_path / "stopped", **settings)
    assert _bytes(model) == _bytes(whole)
    assert result.records == expected.records and result.state == expected.state


def test_a_spike_stops_with_its_step_named(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"step 6: a loss of .* is a spike"):
        toy_train(tmp_path, batches=_spoilt, optimizer=FAST, bad_steps=_settings("stop"))


def test_too_many_bad_steps_fail_and_are_listed(tmp_path: Path) -> None:
    settings = BadStepSettings("skip", spike_deviations=1e-6, spike_window=2, limit=2)

    def noise(position: int, count: int) -> Batch:
        generator = torch.Generator().manual_seed(position)
        batch = dict(toy_batch(position, count))
        return {**batch, "labels": torch.randint(0, 60, batch["labels"].shape, generator=generator)}

    with pytest.raises(StageFailed, match="bad step number 3") as failure:
        toy_train(
            tmp_path, batches=noise, steps=200, bad_steps=settings, optimizer=OptimizerSettings(learning_rate=1e-9)
        )
    assert len(failure.value.details) == 2


@given(losses=st.lists(st.floats(0.1, 20), min_size=2, max_size=60), window=st.integers(2, 10))
def test_the_trend_is_the_plain_mean_until_its_window_is_full(losses: list[float], window: int) -> None:
    trend = LossTrend()
    for loss in losses[:window]:
        trend = trend.after(loss, window)
    seen = losses[:window]
    mean = sum(seen) / len(seen)
    assert trend.mean == pytest.approx(mean)
    assert trend.variance == pytest.approx(sum((x - mean) ** 2 for x in seen) / len(seen), abs=1e-9)


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (2.0, math.nan)])
def test_what_is_no_number_is_bad_from_the_first_step(loss: float, norm: float) -> None:
    assert "no number" in LossTrend().fault(loss, norm, BadStepSettings())
    assert not LossTrend().fault(2.0, 1.0, BadStepSettings())
