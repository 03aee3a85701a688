"""A plan says what its trainings will take, and a run that cannot fit does not start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mini import DATE, Mini

from flows.estimates import Calibration, TrainingEstimate, calibrate, refuse_what_cannot_fit
from schemas.errors import ConfigError
from schemas.manifest import Manifest
from tasks.engine.host import host_class
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.estimate import Work, estimate, flops_per_token

SHAPE = ModelSpec(8192, 256, 4, heads=4, kv_heads=2, intermediate_size=640, context_length=256)
WORK = Work(steps=240, batch_size=8, micro_batch_size=8, tokens=256, precision="fp32", optimizer="muon")


def trained(**changes: Any) -> Manifest:
    """The manifest of a training of `SHAPE` by `WORK` that took 150 seconds, 10 of them beside its steps."""
    tokens = WORK.steps * WORK.batch_size * WORK.tokens
    metrics = {
        "precision": "fp32",
        "threads": 2,
        "tokens": tokens,
        "tokens_per_second": tokens / 140,
        "flops_per_token": flops_per_token(SHAPE),
    }
    values: dict[str, Any] = {
        "node": "pretrain",
        "stage": "pretrain",
        "version": "a",
        "key": "k",
        "settings": {},
        "stage_version": 1,
        "code": "",
        "inputs": [],
        "outputs": {},
        "started": "2026-01-01T00:00:00",
        "seconds": 150.0,
        "cpu_seconds": 280.0,
        "peak_memory_bytes": 1,
        "host_class": host_class(),
        "metrics": metrics | changes.pop("metrics", {}),
    }
    return Manifest.model_validate(values | changes)


def test_the_same_training_again_is_said_to_take_what_it_took() -> None:
    found = TrainingEstimate("pretrain", estimate(SHAPE, WORK), 2, "fp32", calibrate([trained()], "fp32", 2), False)
    assert found.seconds == pytest.approx(150, rel=0.01)
    assert "about 150 s (fp32, 2 threads)" in str(found)


def test_the_latest_comparable_training_counts_and_no_other() -> None:
    later = trained(version="b", started="2026-01-02T00:00:00", seconds=160.0)
    assert calibrate([later, trained()], "fp32", 2) == Calibration(
        pytest.approx(estimate(SHAPE, WORK).flops / 140), pytest.approx(20), "b"
    )
    others = [
        trained(host_class="another"),
        trained(resumed="step 60"),
        trained(metrics={"threads": 1}),
        trained(metrics={"precision": "bf16"}),
        trained(metrics={"flops_per_token": None}),
    ]
    assert calibrate(others, "fp32", 2) is None
    unknown = TrainingEstimate("pretrain", estimate(SHAPE, WORK), 2, "fp32", None, False)
    assert unknown.seconds is None
    assert "no time is known" in str(unknown)


def test_a_training_that_cannot_fit_is_refused_with_what_to_do() -> None:
    found = TrainingEstimate("pretrain", estimate(SHAPE, WORK), 2, "fp32", None, False)
    refuse_what_cannot_fit([found], limit=found.needs.memory_bytes)
    with pytest.raises(ConfigError, match="pretrain: needs about") as refused:
        refuse_what_cannot_fit([found], limit=found.needs.memory_bytes - 1)
    assert "micro_batch_size" in refused.value.hint


def test_a_plan_tells_and_a_run_refuses_before_anything_is_built(tmp_path: Path) -> None:
    mini = Mini(tmp_path / "mini").create()
    said = mini.nightmill("plan", "pipeline.yaml", "--date", DATE, code=2)
    assert "31.7 k parameters, 3.07 k tokens" in said
    told = {
        row["stage"]: row["estimate"] for row in json.loads(mini.nightmill("plan", "pipeline.yaml", "--json", code=2))
    }
    assert told["pretrain"]["tokens"] == 12 * 4 * 64
    assert told["finetune.titles"]["at_most"]
    assert told["pack"] is None
    mini.change(pretrain__micro_batch_size=10_000_000, pretrain__batch_size=10_000_000)
    refused = mini.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, code=3)
    assert "pretrain: needs about" in refused
    assert not list(mini.store.glob("artifacts/*"))


def test_a_night_that_goes_on_from_another_is_said_to_take_its_own_budget(project: Mini) -> None:
    project.change(pretrain__start={"kind": "continue", "steps": 3})

    def tokens(date: str) -> int:
        plan = json.loads(project.nightmill("plan", "pipeline.yaml", "--date", date, "--json", code=2))
        found = next(row["estimate"]["tokens"] for row in plan if row["stage"] == "pretrain")
        return int(found)

    assert tokens(DATE) == 12 * 4 * 64  # nothing is of an earlier date
    assert tokens("2026-01-02") == 3 * 4 * 64
