"""Kill -9 in the middle of each stage: the next run goes on and makes the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from mini import DATE, STAGES, Mini

IN_PARTS = ("collect", "clean", "dedup", "shard", "decontaminate", "pack")
TRAINED = ("pretrain", "finetune.titles", "finetune.scripts")


def forget(project: Mini, stage: str) -> None:
    """Removes a stage's pointer, and every finished part, from a store."""
    (project.store / "keys" / project.manifest(stage)["key"]).unlink()
    shutil.rmtree(project.store / "parts", ignore_errors=True)


def is_in_the_middle(project: Mini, stage: str) -> bool:
    work = project.store / "work"
    if stage in TRAINED:
        return any(work.glob("*/*/checkpoints/step-*"))
    if stage in IN_PARTS:
        # A name that begins with a dot is a record that is still being written.
        return any(not path.name.startswith(".") for path in (project.store / "parts").glob("*/*"))
    return any(work.glob("*/*/scratch"))


def kill_in_the_middle(project: Mini, stage: str) -> None:
    process = project.start("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--only", stage)
    while not is_in_the_middle(project, stage):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=20)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_in_the_middle_is_finished_by_the_next_run(project: Mini, stage: str) -> None:
    before = project.digests()
    forget(project, stage)
    kill_in_the_middle(project, stage)
    assert project.statuses()[stage] == "run", "nothing half-made counts"
    outcomes = project.run()
    assert outcomes[stage]["outcome"] in ("built", "resumed")
    assert {name for name, found in outcomes.items() if found["outcome"] != "cached"} == {stage}
    assert project.digests() == before
    if stage in TRAINED:
        assert "step" in outcomes[stage]["reason"], "training must go on from its checkpoint"
    if stage in IN_PARTS:
        assert project.manifest(stage)["metrics"]["parts"]["reused"] > 0, "finished parts must not be redone"
    assert not any((project.store / "work").iterdir())


def test_ctrl_c_ends_soon_with_130_and_the_next_run_goes_on(project: Mini) -> None:
    forget(project, "pretrain")
    project.change(pretrain__steps=4000)
    process = project.start("run", "pipeline.yaml", "--no-prefect", "--date", DATE)
    while not is_in_the_middle(project, "pretrain"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "interrupted" in out
    assert project.statuses()["pretrain"] == "run"


def test_two_runs_of_one_configuration_at_once_build_each_stage_once(tmp_path: Path, prebuilt: Mini) -> None:
    project = Mini(tmp_path / "fresh").create()
    arguments = ["run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "pack"]
    processes: list[subprocess.Popen[str]] = [project.start(*arguments) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, out + err
    listed = [manifest.parent.parent.name for manifest in (project.store / "artifacts").glob("*/*/manifest.json")]
    assert sorted(listed) == sorted(set(listed)), "a stage was built twice"
    for stage in ("dedup", "pack"):
        assert project.manifest(stage)["outputs"] == prebuilt.manifest(stage)["outputs"]
