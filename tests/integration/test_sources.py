"""Remote sources through the command: looked at by processes of their own, which may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from mini import DATE, Mini
from s3_server import S3, SECRET
from source_stages import Bench

RUN = ("pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "snapshot")
NAMES = [f"n{number:02}" for number in range(24)]


@pytest.fixture
def project(tmp_path: Path, s3: S3) -> Mini:
    s3.put(**{name: f"The text of {name}, 还有一些中文。" for name in NAMES})
    return configured(tmp_path / "project", web=s3.source().model_dump(mode="json", exclude_unset=True))


def configured(folder: Path, **sources: dict[str, Any]) -> Mini:
    folder.mkdir()
    data = {"name": "remote", "store": "store", "snapshot": {"sources": sources}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(data))
    return Mini(folder)


def run(project: Mini, *arguments: str, code: int = 0) -> str:
    return project.nightmill("run", *RUN, *arguments, code=code)


def started_and_fetching(project: Mini, s3: S3, files: int) -> subprocess.Popen[str]:
    s3.delay_s = 0.1
    process = project.start("run", *RUN)
    while len(s3.fetched) < files:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def kept(project: Mini) -> int:
    """Files that a look which did not end yet has kept."""
    return sum(path.read_text().count("\n") for path in (project.store / "work").glob("source-*/journal.jsonl"))


def test_a_run_looks_by_itself_once_and_anew_with_refresh(project: Mini, s3: S3) -> None:
    said = project.nightmill("plan", "pipeline.yaml", "--until", "snapshot", code=2)
    assert "snapshot" in said and "depends" in said and "'web' was never looked at" in said
    assert s3.fetched == [], "a plan alone looks at nothing"
    said = run(project)
    assert "source web" in said and "24 of 24 files transferred" in said
    s3.fetched.clear()
    s3.put(n00="Another text.")
    said = project.nightmill("plan", "pipeline.yaml", "--until", "snapshot", "--refresh", code=2)
    assert s3.fetched == ["n00.txt"] and "the sources changed" in said
    assert "source web" not in run(project) and s3.fetched == ["n00.txt"], "what a plan fetched is there for the run"
    project.nightmill("run", "pipeline.yaml", "--only", "collect", "--refresh", code=3)


def test_kill_9_in_the_middle_of_a_look_loses_nothing_that_was_fetched(project: Mini, s3: S3, tmp_path: Path) -> None:
    process = started_and_fetching(project, s3, 9)
    while not kept(project):
        time.sleep(0.005)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    s3.delay_s = 0.0
    journal = kept(project)
    assert 1 <= journal < len(NAMES)
    s3.fetched.clear()
    run(project)
    assert len(s3.fetched) == len(NAMES) - journal
    fresh = Bench(tmp_path / "fresh").refreshed({"web": s3.source()})
    assert project.manifest("snapshot")["outputs"]["files"]["files"][0]["digest"] == fresh.digests()["files"][0][1]
    assert not any((project.store / "work").iterdir()) and not any((project.store / "leases").iterdir())


def test_a_fetcher_that_is_killed_is_one_source_that_is_down(project: Mini, s3: S3) -> None:
    process = started_and_fetching(project, s3, 5)
    worker = next(
        child for child in psutil.Process(process.pid).children() if "tasks.fetch.worker" in " ".join(child.cmdline())
    )
    worker.kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 6, out + err
    assert "is down (crashed: its process was killed" in err and "Traceback" not in out + err
    s3.delay_s = 0.0
    plan = project.nightmill("plan", "pipeline.yaml", "--until", "snapshot", code=2)
    assert "depends" in plan, "the next run looks again"


def test_ctrl_c_ends_a_look_and_keeps_what_was_fetched(project: Mini, s3: S3) -> None:
    process = started_and_fetching(project, s3, 5)
    while not kept(project):
        time.sleep(0.005)
    before = kept(project)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in out + err
    assert kept(project) >= before, "the next run goes on from there"


def test_a_credential_is_nowhere_in_the_store_and_in_nothing_that_is_said(project: Mini, s3: S3) -> None:
    s3.forbidden = {"n01.txt"}
    said = run(project, "--until", "collect")
    s3.down_after = 0
    s3.put(n02="changed")
    said += run(project, "--refresh", code=6)
    assert SECRET not in said
    held = [path for path in project.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert held == [] and list((project.store / "reports").glob("*.html"))


def test_two_runs_at_once_look_once(project: Mini, s3: S3) -> None:
    first = started_and_fetching(project, s3, 2)
    second = project.start("run", *RUN)
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert sorted(s3.fetched) == sorted(f"{name}.txt" for name in NAMES)


def test_a_plan_imports_nothing_that_talks_to_the_outside(project: Mini, s3: S3) -> None:
    Bench(project.folder).take_look({"web": s3.source()})
    code = """
import sys
from pathlib import Path
from flows.session import Request, prepare
session = prepare(Request(config=Path("pipeline.yaml"), last="collect"))
assert session.decisions[0].status == "run", session.decisions
heavy = {"fsspec", "s3fs", "sqlalchemy", "httpx", "datasets", "polars", "pyarrow", "torch", "numpy", "prefect"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
