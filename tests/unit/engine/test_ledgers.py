"""A ledger remembers across damage: what can be saved of it is saved, and no loss stops the pipeline."""

from __future__ import annotations

import json
from pathlib import Path

from toy import Toy, outcomes

from schemas.manifest import FileRecord
from tasks.engine.runner import Run


def file_of(run: Run) -> FileRecord:
    return run._manifests["source"].outputs["data"].files[0]


def ledger(toy: Toy, run: Run) -> dict[str, str]:
    found: dict[str, str] = json.loads(toy.store.verified_path(file_of(run)).read_text())
    return found


def three_days(toy: Toy) -> list[Run]:
    runs = []
    for day, items in enumerate((["x"], ["x", "y"], ["x", "y", "z"]), start=1):
        toy.set_source(items)
        runs.append(toy.run(f"2026-01-0{day}"))
    return runs


def test_a_ledger_whose_latest_state_is_lost_goes_on_from_the_one_before(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    runs = three_days(toy)
    toy.store.objects.discard(file_of(runs[-1]).digest)
    toy.set_source(["x", "y", "z", "w"])
    found = ledger(toy, toy.run("2026-01-09"))
    assert found == {"w": "2026-01-09", "x": "2026-01-01", "y": "2026-01-02", "z": "2026-01-09"}


def test_a_ledger_is_built_even_if_it_and_what_it_continued_are_lost(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    runs = three_days(toy)
    toy.store.objects.discard(file_of(runs[-1]).digest)
    toy.store.objects.discard(file_of(runs[-2]).digest)
    plan = toy.planner("2026-01-09").plan()
    run = toy.run("2026-01-09")
    assert plan[0].status == "run" and outcomes(run)["source"] == "built"
    assert ledger(toy, run) == {"x": "2026-01-01", "y": "2026-01-09", "z": "2026-01-09"}


def test_a_store_without_any_object_is_filled_again(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    three_days(toy)
    for path in (toy.store.root / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert "failed" not in set(outcomes(toy.run("2026-01-09")).values())
    assert set(outcomes(toy.run("2026-01-09")).values()) == {"cached"}


def test_bytes_flipped_in_what_a_ledger_continues_are_noticed_and_the_run_goes_on(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    runs = three_days(toy)
    path = toy.store.objects.path(file_of(runs[-1]).digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"2026-01-03", b"2020-01-03"))
    toy.set_source(["x", "y", "z", "w"])
    run = toy.run("2026-01-09")
    assert outcomes(run)["source"] == "built"
    assert ledger(toy, run) == {"w": "2026-01-09", "x": "2026-01-01", "y": "2026-01-02", "z": "2026-01-09"}
