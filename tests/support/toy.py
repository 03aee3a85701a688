"""A small pipeline of real stages with trivial work, built in this process: for laws of the engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.config.base import Config
from schemas.errors import NightmillError
from tasks.engine.child import build
from tasks.engine.graph import Graph, Node
from tasks.engine.planner import Planner
from tasks.engine.processes import Usage
from tasks.engine.runner import Run
from tasks.engine.spec import BuildResult, BuildSpec
from tasks.engine.stage import Context, Input, Look, Stage
from tasks.store.store import Store


class ToyConfig(Config):
    """One number that counts and one that does not."""

    value: int = 0
    source: str = ""


def build_source(context: Context) -> None:
    path = context.folder / "out.json"
    first = (
        json.loads(next(iter(context.predecessor.values())).files[0].path.read_text()) if context.predecessor else {}
    )
    seen = {item: first.get(item, context.date) for item in context.look}
    path.write_text(json.dumps(seen, sort_keys=True))
    context.add("data", "out.json", path)


def build_step(context: Context) -> None:
    """Writes a number below 3 that follows from settings and inputs, so that equal bytes are frequent."""
    read = "".join(file.path.read_text() for name in sorted(context.inputs) for file in context.inputs[name].files)
    path = context.folder / "out.json"
    path.write_text(json.dumps((sum(map(ord, read)) + context.config.value) % 3))
    context.add("data", "out.json", path)
    context.report(rows_in=1, rows_out=1)


def build_judge(context: Context) -> None:
    """Passes its input on beside the baseline it is compared with: that of its predecessor, or its own at first."""
    (file,) = context.inputs["data"].files
    baseline = file.path.read_text()
    if context.predecessor is not None:
        before = next(iter(context.predecessor.values())).files[0].path.read_text()
        baseline = json.loads(before)["baseline"]
    path = context.folder / "out.json"
    path.write_text(json.dumps({"baseline": baseline, "value": file.path.read_text()}))
    context.add("data", "out.json", path)


def look(config: ToyConfig, cache: Any) -> Look:
    items = sorted(json.loads(Path(config.source).read_text()))
    return Look(items, items)


def toy_stage(name: str, module: str, work: Callable[[Context], None], **settings: Any) -> Stage:
    def run(context: Context) -> None:
        work(context)

    run.__module__ = module
    return Stage(name=name, version=1, config=ToyConfig, outputs=("data",), build=run, **settings)


class SourceConfig(ToyConfig):
    def identity(self) -> dict[str, Any]:
        return {"value": self.value}


class Toy:
    """A project folder with toy code, a source, a store, and a graph: source → a → costly → b, and a → c.

    With `judged`, `judge`, which keeps a baseline, stands between the last two. With `continued`, `costly` goes on from
    its own artifact of an earlier date.
    """

    def __init__(self, folder: Path, *, judged: bool = False, continued: bool = False) -> None:
        self.judged = judged
        self.continued = continued
        self.root = folder / "project"
        self.source = folder / "source.json"
        self.set_source(["x"])
        self.values = dict.fromkeys(("source", "a", "costly", "b", "judge", "c"), 0)
        for name in self.values:
            self.set_code(name, 0)
        self.store = Store.open(folder / "store")
        self.work: dict[str, Callable[[Context], None]] = {}
        self.built: list[str] = []

    def set_source(self, items: list[str]) -> None:
        self.source.write_text(json.dumps(items))

    def set_code(self, name: str, state: int, comment: str = "") -> None:
        place = self.root / "tasks" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "stage.py").write_text(f'"""{comment}"""\nSTATE = {state}  # {comment}\n')

    def graph(self) -> Graph:
        def stage(name: str, **settings: Any) -> Stage:
            usual = {"source": build_source, "judge": build_judge}.get(name, build_step)
            work = self.work.get(name, usual)
            found = toy_stage(name, f"tasks.{name}.stage", work, **settings)
            return replace(found, config=SourceConfig)

        def node(name: str, reads: str = "", **settings: Any) -> Node:
            config = SourceConfig(value=self.values[name], source=str(self.source) if name == "source" else "")
            return Node(name, stage(name, **settings), config, {"data": Input(reads, "data")} if reads else {})

        return Graph(
            "toy",
            [
                node("source", look=look, keeps_ledger=True),
                node("a", "source", uses_earlier=True),
                node("costly", "a", cost="expensive", continues=lambda config: self.continued),
                node("b", "costly"),
                *([node("judge", "a", keeps_baseline=True)] if self.judged else []),
                node("c", "judge" if self.judged else "a"),
            ],
        )

    def planner(self, date: str = "2026-01-01", forced: set[str] | None = None) -> Planner:
        return Planner(self.graph(), self.store, date=date, host="test", forced=forced, root=self.root)

    def run(self, date: str = "2026-01-01", forced: set[str] | None = None, **settings: Any) -> Run:
        planner = self.planner(date, forced)
        run = Run(planner, launcher=self.launch, **settings)
        for name in planner.graph.nodes:
            run.execute(name)
        run.finish()
        return run

    def launch(self, folder: Path, *, node: str, heard: Callable[..., None], **_: Any) -> tuple[BuildResult, Usage]:
        """Builds in this process."""
        self.built.append(node)
        spec = BuildSpec.model_validate_json((folder / "spec.json").read_bytes())
        (folder / "log.txt").touch()
        stage = self.graph().nodes[node].stage
        result = build(spec, stage, tell=heard, stop=threading.Event())
        if result.error is not None:
            raise NightmillError.from_json(result.error)
        return result, Usage(0.0, 0.0, 0)


def outcomes(run: Run) -> dict[str, str]:
    """Returns what became of each node."""
    return {stage.node: stage.outcome for stage in run.record.stages}


def digests(run: Run) -> dict[str, str]:
    """Returns the content digest of each node's output that is there."""
    return {
        name: ",".join(output.digest for output in manifest.outputs.values())
        for name, manifest in run._manifests.items()
    }
