"""A run as a flow of a real Prefect server, started by Prefect itself for the time of the run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from mini import DATE, Mini


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


def states(home: Path) -> dict[str, str]:
    """Name of the last state of each task run that Prefect has recorded, by the task run's name, and of the flow."""
    import sqlite3

    with sqlite3.connect(home / "prefect.db") as database:
        tasks: dict[str, str] = dict(
            database.execute("SELECT name, state_name FROM task_run ORDER BY created").fetchall()
        )
        flow = database.execute("SELECT state_name FROM flow_run ORDER BY created DESC LIMIT 1").fetchone()
    return {**tasks, "flow": flow[0]}


def test_each_stage_is_a_task_and_a_hit_shows_as_cached(project: Mini, prefect_home: Path) -> None:
    project.change(clean__quality__en__min_words=4)
    said = project.nightmill("run", "pipeline.yaml", "--date", DATE, PREFECT_HOME=str(prefect_home))
    assert "done" in said
    found = states(prefect_home)
    assert found["flow"] == "Completed"
    assert found["collect"] == "Cached" and found["clean"] == "Built"
    assert set(project.outcomes()) <= set(found)
    assert project.manifest("clean")["flow_run"]
    assert not left_over(prefect_home), "the ephemeral server must end with the run"


def test_a_failed_stage_fails_the_flow_and_ends_with_its_exit_code(project: Mini, prefect_home: Path) -> None:
    project.change(shard__test_fraction=0.000001)
    said = project.nightmill("run", "pipeline.yaml", "--date", DATE, code=5, PREFECT_HOME=str(prefect_home))
    assert "shard" in said and "hint" in said
    found = states(prefect_home)
    assert found["flow"] == "Failed" and found["shard"] == "Failed"
    outcomes = project.outcomes()
    assert outcomes["shard"]["outcome"] == "failed" and outcomes["pretrain"]["outcome"] == "blocked"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_flow_and_its_server(project: Mini, prefect_home: Path, number: signal.Signals) -> None:
    project.change(pretrain__steps=5000)
    process = project.start("run", "pipeline.yaml", "--date", DATE, PREFECT_HOME=str(prefect_home))
    while not any((project.store / "work").glob("*/*/checkpoints/step-*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    assert not left_over(prefect_home)


def left_over(home: Path) -> list[Any]:
    """Processes that still work with a Prefect home, some seconds after a run."""
    for _ in range(50):
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("PREFECT_HOME") == str(home):
                    found.append(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        if not found:
            return []
        time.sleep(0.1)
    return found


def test_a_prefect_server_that_is_not_there_is_a_clear_error(project: Mini, prefect_home: Path) -> None:
    project.change(clean__quality__en__min_words=4)
    said = project.nightmill(
        "run",
        "pipeline.yaml",
        code=5,
        PREFECT_HOME=str(prefect_home),
        PREFECT_API_URL="http://127.0.0.1:9/api",
        PREFECT_CLIENT_MAX_RETRIES="0",
    )
    assert "Prefect cannot be used" in said and "--no-prefect" in said
