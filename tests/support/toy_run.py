"""Runs one toy stage in this process's supervision: `python toy_run.py STORE STAGE CONFIG_JSON [LEASE_S]`.

Prints the outcome and the content digest, so that a test can kill the supervisor itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import toy_builder

from tasks.engine.graph import Graph, Node
from tasks.engine.launcher import ProcessLauncher
from tasks.engine.planner import Planner
from tasks.engine.runner import Resources, Run
from tasks.store import leases
from tasks.store.store import Store


def make_run(store: Path, stage: str, settings: dict[str, object], workers: int = 1) -> Run:
    config = toy_builder.FaultConfig.model_validate(settings)
    graph = Graph("toy", [Node(stage, toy_builder.STAGES[stage], config)])
    planner = Planner(graph, Store.open(store), date="2026-01-01", host="test")
    builder = (sys.executable, str(Path(toy_builder.__file__)))
    return Run(planner, launcher=ProcessLauncher(builder), resources={stage: Resources(workers=workers)})


def main() -> int:
    if len(sys.argv) > 4:
        leases.LEASE_S = float(sys.argv[4])
    run = make_run(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    print("running", flush=True)
    outcome = run.execute(sys.argv[2])
    manifest = run._manifests.get(sys.argv[2])
    digest = manifest.outputs["data"].digest if manifest is not None else ""
    print(json.dumps({"outcome": outcome.outcome, "reason": outcome.reason, "digest": digest}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
