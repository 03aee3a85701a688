"""Learning-rate schedules as functions of the step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.modeling.schedules import ScheduleSettings, learning_rate_factor


@given(
    shape=st.sampled_from(["cosine", "linear", "wsd", "constant"]),
    steps=st.integers(1, 200),
    warmup=st.integers(0, 250),
    decay=st.floats(0.01, 1),
    final=st.floats(0, 1),
)
def test_it_rises_then_never_rises_again_and_no_step_is_wasted(
    shape: str, steps: int, warmup: int, decay: float, final: float
) -> None:
    settings = ScheduleSettings(shape, warmup, decay, final)
    factors = [learning_rate_factor(step, steps, settings) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    top = min(warmup, steps)
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)


def test_wsd_stays_and_then_falls_linearly() -> None:
    settings = ScheduleSettings("wsd", warmup_steps=10, decay_fraction=0.5, final_factor=0.0)
    assert learning_rate_factor(10, 100, settings) == learning_rate_factor(50, 100, settings) == 1.0
    assert learning_rate_factor(75, 100, settings) == pytest.approx(0.5)
    assert learning_rate_factor(99, 100, settings) == pytest.approx(0.02)


def test_cosine_ends_at_its_final_factor() -> None:
    settings = ScheduleSettings("cosine", warmup_steps=0, final_factor=0.1)
    assert learning_rate_factor(0, 100, settings) == 1.0
    assert learning_rate_factor(50, 100, settings) == pytest.approx(0.55)
    assert learning_rate_factor(100, 100, settings) == pytest.approx(0.1)


def test_linear_falls_from_the_warmups_end_to_its_final_factor() -> None:
    settings = ScheduleSettings("linear", warmup_steps=20, final_factor=0.1)
    assert learning_rate_factor(20, 100, settings) == 1.0
    assert learning_rate_factor(60, 100, settings) == pytest.approx(0.55)
    assert learning_rate_factor(100, 100, settings) == pytest.approx(0.1)
