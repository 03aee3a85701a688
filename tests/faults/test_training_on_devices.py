"""The engine starts a training's processes itself, starts them anew when one is lost, and stops all of them."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
import training_builder
from training_builder import STAGE, ToyTrainingConfig

from schemas.manifest import Manifest
from tasks.engine.graph import Graph, Node
from tasks.engine.launcher import ProcessLauncher
from tasks.engine.planner import Planner
from tasks.engine.runner import Resources, Run
from tasks.store.store import Store

CONFIG = ToyTrainingConfig(
    steps=8, batch_size=4, micro_batch_size=2, checkpoint_every=2, device="cpu", precision="fp32"
)


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    support = Path(training_builder.__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(support.parents[1]), str(support)]))


def _run(store: Path, config: ToyTrainingConfig, devices: int, *, sharded: bool = False) -> Run:
    planner = Planner(Graph("toy", [Node("toy", STAGE, config)]), Store.open(store), date="2026-01-01", host="test")
    builder = (sys.executable, str(Path(training_builder.__file__)))
    launcher = ProcessLauncher(builder, devices=devices, sharded=sharded)
    return Run(planner, resources={"toy": Resources(threads=2, launcher=launcher)})


def _built(run: Run) -> Manifest:
    outcome = run.execute("toy")
    assert outcome.outcome in ("built", "resumed"), run.errors
    return run._manifests["toy"]


def test_a_lost_process_is_started_anew_and_the_same_bytes_are_built(tmp_path: Path) -> None:
    whole = _built(_run(tmp_path / "whole", CONFIG, devices=2))
    lost = _built(_run(tmp_path / "lost", CONFIG.model_copy(update={"lose_rank": 1}), devices=2))
    assert lost.outputs["model"].digest == whole.outputs["model"].digest
    assert lost.resumed == "step 2" and not whole.resumed
    assert any("process 1 of 2 was lost" in warning for warning in lost.warnings) and not whole.warnings
    assert lost.metrics["processes"] == 2 and lost.metrics["bit_exact"]
    assert lost.cpu_seconds > whole.cpu_seconds, "both attempts count"


def test_a_stop_reaches_all_processes_and_fewer_go_on(tmp_path: Path) -> None:
    run = _run(tmp_path, CONFIG.model_copy(update={"steps": 60, "slow": True}), devices=2, sharded=True)

    ended = threading.Event()

    def stop() -> None:
        while not (ended.is_set() or any((tmp_path / "work").glob("*/*/checkpoints/step-*"))):
            time.sleep(0.05)
        run.stop.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    outcome = run.execute("toy")
    ended.set()
    stopper.join()
    assert outcome.outcome == "interrupted", run.errors
    steps = max(int(path.name[5:]) for path in (tmp_path / "work").glob("*/*/checkpoints/step-*"))
    shorter = _run(tmp_path, CONFIG.model_copy(update={"steps": 60}), devices=1)
    manifest = _built(shorter)
    assert manifest.resumed == f"step {steps}"
    assert not manifest.metrics["bit_exact"]
    assert any("not bit-exact" in warning for warning in manifest.warnings)
