"""Builders and supervisors that are killed, stopped, deaf, out of memory, or two at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from toy_run import make_run

SUPPORT = Path(__file__).parents[1] / "support"


class Supervisor:
    """A process that runs one toy stage."""

    def __init__(self, folder: Path, stage: str, trouble: str = "", lease_s: float = 30, **settings: Any) -> None:
        self.journal = folder / "journal.txt"
        self.journal.touch()
        settings = {"trouble": trouble, "journal": str(self.journal), **settings}
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(SUPPORT / "toy_run.py"),
                str(folder / "store"),
                stage,
                json.dumps(settings),
                str(lease_s),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def result(self) -> dict[str, str]:
        out, _ = self.process.communicate(timeout=120)
        found: dict[str, str] = json.loads(out.splitlines()[-1])
        return found

    def lines(self) -> list[str]:
        return self.journal.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        for _ in range(600):
            if line in self.lines():
                return
            time.sleep(0.05)
        raise AssertionError(f"{line!r} never came: {self.lines()}")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    folder = tmp_path / "whole"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("stage", ["parts", "steps"])
def test_a_killed_supervisor_takes_its_builder_along_and_the_next_run_goes_on(
    tmp_path: Path, whole: Path, stage: str
) -> None:
    expected = Supervisor(whole, stage).result()["digest"]
    first = Supervisor(tmp_path, stage, "kill")
    first.process.wait(60)
    done = first.lines()
    assert 0 < len(done) < 4
    time.sleep(0.5)
    assert not [child for child in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(child.info["cmdline"])]
    second = Supervisor(tmp_path, stage)
    result = second.result()
    assert result["outcome"] == "resumed"
    assert result["digest"] == expected
    repeated = second.lines()
    assert len(repeated) == len(set(repeated)), "finished work was done again"
    assert not (tmp_path / "store" / "work").exists() or not any((tmp_path / "store" / "work").iterdir())


def test_a_killed_builder_is_told_apart_from_a_failed_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "store", "trouble", {"trouble": "out of memory"})
    outcome = run.execute("trouble")
    assert outcome.outcome == "failed"
    assert "memory" in outcome.reason and "MiB" in outcome.reason
    assert make_run(tmp_path / "store", "trouble", {}).execute("trouble").outcome == "built"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [("allocation", "ran out of memory"), ("defect", "KeyError"), ("exit", "ended with code 7")],
)
def test_every_failure_is_a_typed_error_and_publishes_nothing(tmp_path: Path, trouble: str, told: str) -> None:
    run = make_run(tmp_path / "store", "trouble", {"trouble": trouble})
    outcome = run.execute("trouble")
    assert outcome.outcome == "failed" and told in str(run.error())
    assert not list(run.store.published())
    assert run.store.records.list("leases") == []


def test_a_killed_worker_of_a_pool_is_a_clear_error_and_keeps_finished_parts(tmp_path: Path) -> None:
    journal = tmp_path / "journal.txt"
    journal.touch()
    settings = {"trouble": "worker", "journal": str(journal), "parts": 6}
    run = make_run(tmp_path / "store", "parts", settings, workers=2)
    outcome = run.execute("parts")
    assert outcome.error is not None and outcome.error["kind"] == "StageKilled" and "memory" in outcome.reason
    again = make_run(tmp_path / "store", "parts", {**settings, "trouble": ""}, workers=2)
    assert again.execute("parts").outcome == "resumed"


def test_a_disk_too_full_for_the_result_is_a_clear_error(small_disk: Path) -> None:
    run = make_run(small_disk / "store", "trouble", {"trouble": "full disk", "journal": str(small_disk / "ballast")})
    outcome = run.execute("trouble")
    assert outcome.error is not None and outcome.error["kind"] == "StoreError"
    assert "No space left" in outcome.reason and not outcome.error["details"]
    (small_disk / "ballast").unlink()
    assert make_run(small_disk / "store", "trouble", {}).execute("trouble").outcome == "built"


def test_two_runs_at_once_build_once_and_both_succeed(tmp_path: Path) -> None:
    runs = [Supervisor(tmp_path, "steps", "slow") for _ in range(2)]
    results = [run.result() for run in runs]
    assert sorted(result["outcome"] for result in results) == ["built", "cached"]
    assert len({result["digest"] for result in results}) == 1
    assert runs[0].lines() == [f"step {number}" for number in range(1, 7)]


def test_a_sleeper_past_its_lease_harms_nothing_when_it_wakes(tmp_path: Path, whole: Path) -> None:
    expected = Supervisor(whole, "steps").result()["digest"]
    sleeper = Supervisor(tmp_path, "steps", "slow", lease_s=2, steps=6)
    sleeper.wait_for("step 2")
    family = [*psutil.Process(sleeper.process.pid).children(recursive=True), psutil.Process(sleeper.process.pid)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    second = Supervisor(tmp_path, "steps", lease_s=2)
    assert second.result()["outcome"] == "resumed"
    for process in family:
        if process.is_running():
            process.send_signal(signal.SIGCONT)
    woken = sleeper.result()
    assert woken["digest"] == expected, "the run that slept succeeds with what the other one built"
    run = make_run(tmp_path / "store", "steps", {})
    assert run.execute("steps").outcome == "cached"
    assert [manifest.outputs["data"].digest for manifest in run.store.published()] == [expected]


def test_a_stopped_run_saves_and_the_next_one_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal.txt"
    journal.touch()
    settings = {"trouble": "slow", "journal": str(journal), "steps": 30}
    run = make_run(tmp_path / "store", "steps", settings)
    thread = threading.Thread(target=run.execute, args=("steps",))
    thread.start()
    while "step 2" not in journal.read_text():
        time.sleep(0.05)
    started = time.monotonic()
    run.stop.set()
    thread.join(5)
    assert not thread.is_alive(), f"still at work after {time.monotonic() - started:.1f} s"
    assert run.record.stages[0].outcome == "interrupted"
    again = make_run(tmp_path / "store", "steps", {**settings, "trouble": ""})
    assert again.execute("steps").outcome == "resumed"


def test_a_deaf_builder_is_killed_within_the_grace_period(tmp_path: Path) -> None:
    journal = tmp_path / "journal.txt"
    journal.touch()
    run = make_run(tmp_path / "store", "steps", {"trouble": "deaf", "journal": str(journal)})
    thread = threading.Thread(target=run.execute, args=("steps",))
    thread.start()
    while "step 1" not in journal.read_text():
        time.sleep(0.05)
    run.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert run.record.stages[0].outcome == "interrupted"
    assert not [child for child in psutil.Process(os.getpid()).children(recursive=True) if child.status() == "running"]
