"""A baseline is pinned: it comes from the artifact before, and an earlier state is found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toy import Toy, outcomes

from tasks.engine.runner import Run


def judged(toy: Toy, run: Run) -> dict[str, Any]:
    file = run._manifests["judge"].outputs["data"].files[0]
    found: dict[str, Any] = json.loads(toy.store.verified_path(file).read_text())
    return found


def test_the_baseline_outlives_changes_and_days_without_news_run_nothing(tmp_path: Path) -> None:
    toy = Toy(tmp_path, judged=True)
    first = judged(toy, toy.run("2026-01-01"))
    assert first["baseline"] == first["value"]
    toy.values["a"] = 1
    second = judged(toy, toy.run("2026-01-02"))
    assert second["baseline"] == first["value"] != second["value"]
    assert outcomes(toy.run("2026-01-09"))["judge"] == "cached"


def test_who_goes_back_to_earlier_settings_finds_the_earlier_state(tmp_path: Path) -> None:
    toy = Toy(tmp_path, judged=True)
    first = judged(toy, toy.run("2026-01-01"))
    for day, value in enumerate((1, 2), start=2):
        toy.values["a"] = value
        toy.run(f"2026-01-0{day}")
    toy.values["a"] = 0
    assert {found.node: found.status for found in toy.planner("2026-01-04").plan()}["judge"] == "cached"
    back = toy.run("2026-01-04")
    assert outcomes(back)["judge"] == "cached" and judged(toy, back) == first
    assert outcomes(toy.run("2026-01-05"))["judge"] == "cached"


def test_a_lost_state_is_built_again_with_its_own_baseline_and_bytes(tmp_path: Path) -> None:
    toy = Toy(tmp_path, judged=True)
    toy.run("2026-01-01")
    toy.values["a"] = 1
    second = toy.run("2026-01-02")
    file = second._manifests["judge"].outputs["data"].files[0]
    toy.store.objects.discard(file.digest)
    again = toy.run("2026-01-03")
    assert outcomes(again)["judge"] == "built"
    assert again._manifests["judge"].outputs["data"].files[0].digest == file.digest


def test_what_fails_becomes_no_baseline(tmp_path: Path) -> None:
    toy = Toy(tmp_path, judged=True)
    first = judged(toy, toy.run("2026-01-01"))
    usual = toy.work.copy()

    def refuse(context: Any) -> None:
        raise ValueError("not accepted")

    toy.work["judge"] = refuse
    toy.values["a"] = 1
    assert outcomes(toy.run("2026-01-02"))["judge"] == "failed"
    toy.work = usual
    toy.values["a"] = 2
    assert judged(toy, toy.run("2026-01-03"))["baseline"] == first["value"]
