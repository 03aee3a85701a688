"""Remote sources and the law of the plan: what plan calls cached or held is not run, what it calls run is."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.collect import CollectConfig
from schemas.config.remote_sources import UrlSource
from schemas.config.snapshot import SnapshotConfig
from schemas.errors import NightmillError
from tasks.collect.stage import STAGE as COLLECT
from tasks.engine.child import build
from tasks.engine.graph import Graph, Node
from tasks.engine.planner import Planner
from tasks.engine.processes import Usage
from tasks.engine.runner import Run
from tasks.engine.sight import StoreSight
from tasks.engine.spec import BuildResult, BuildSpec
from tasks.engine.stage import Input
from tasks.fetch.record import record_key
from tasks.fetch.take import take_look
from tasks.fetch.verdict import judge
from tasks.snapshot.stage import STAGE as SNAPSHOT
from tasks.store.store import Store

ALLOWED = {
    "cached": {"cached"},
    "held": {"held", "blocked"},
    "run": {"built", "resumed"},
    "depends": {"cached", "built", "resumed", "held", "blocked"},
}


class World:
    """Two remote folders, a store, and runs of `snapshot` and `collect` that are built in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store.open(folder / "store")
        self.policy = {"a": "hold", "b": "hold"}
        for name in self.policy:
            (folder / name).mkdir()
            (folder / name / "first.txt").write_text(f"first of {name}")

    def sources(self) -> dict[str, UrlSource]:
        return {
            name: UrlSource.model_validate(
                {"type": "url", "url": f"file://{self.folder}/{name}", "licence": "MIT", "when_down": policy}
            )
            for name, policy in self.policy.items()
        }

    def edit(self, name: str, text: str) -> None:
        if (self.folder / name).exists():
            (self.folder / name / "second.txt").write_text(text)

    def toggle(self, name: str) -> None:
        """Takes a source away, or brings it back."""
        here, away = self.folder / name, self.folder / f"{name}-away"
        here.rename(away) if here.exists() else away.rename(here)

    def planner(self, looked: set[str]) -> Planner:
        sources: Any = self.sources()
        nodes = [
            Node("snapshot", SNAPSHOT, SnapshotConfig(sources=sources)),
            Node("collect", COLLECT, CollectConfig(sources=sources), {"files": Input("snapshot", "files")}),
        ]
        return Planner(Graph("world", nodes), self.store, date="2026-01-01", host="test", looked=looked)

    def look(self, *, every: bool) -> set[str]:
        """What a run does first."""
        chosen = {
            name: source
            for name, source in self.sources().items()
            if every or judge(name, source, StoreSight(self.store)).due
        }
        for name, source in chosen.items():
            take_look(name, source, self.store)
        return {record_key(source) for source in chosen.values()}

    def run(self, looked: set[str]) -> dict[str, str]:
        planner = self.planner(looked)
        run = Run(planner, launcher=launch)
        for name in planner.graph.nodes:
            run.execute(name)
        run.finish()
        self.error = run.error()
        return {stage.node: stage.outcome for stage in run.record.stages}

    def statuses(self, looked: set[str] | None = None) -> dict[str, str]:
        return {found.node: found.status for found in self.planner(looked or set()).plan()}


def launch(folder: Path, *, node: str, heard: Callable[..., None], **_: Any) -> tuple[BuildResult, Usage]:
    spec = BuildSpec.model_validate_json((folder / "spec.json").read_bytes())
    (folder / "log.txt").touch()
    result = build(spec, {"snapshot": SNAPSHOT, "collect": COLLECT}[node], tell=heard, stop=threading.Event())
    if result.error is not None:
        raise NightmillError.from_json(result.error)
    return result, Usage(0.0, 0.0, 0)


step = st.tuples(
    st.sampled_from(["edit", "outage", "policy", "lose", "nothing", "interrupt"]),
    st.sampled_from("ab"),
    st.sampled_from(["one", "two"]),
    st.booleans(),
)


@settings(max_examples=6, deadline=None)
@given(st.lists(step, min_size=1, max_size=6))
def test_a_run_does_what_the_plan_said_whatever_the_sources_do(steps: list[tuple[str, str, str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for kind, name, text, every in steps:
            if kind == "edit":
                world.edit(name, text)
            elif kind == "outage":
                world.toggle(name)
            elif kind == "policy":
                world.policy[name] = "proceed" if world.policy[name] == "hold" else "hold"
            elif kind == "lose":
                for path in list((world.store.root / "objects").rglob("*"))[:1]:
                    if path.is_file():
                        path.unlink()
            elif kind == "interrupt":
                interrupt(world, name)
            planned = world.statuses()
            looked = world.look(every=every)
            if every:
                planned = world.statuses(looked)  # What `plan --refresh` says.
            found = world.run(looked)
            for node, status in planned.items():
                assert found[node] in ALLOWED[status], (kind, name, every, planned, found)


def interrupt(world: World, name: str) -> None:
    """A look that is killed: it began, and nothing more is known."""
    from tasks.fetch.record import Attempt, write_attempt

    write_attempt(world.store.records, record_key(world.sources()[name]), Attempt("2026-01-01T00:00:00+00:00", "begun"))


def test_a_plan_depends_on_a_source_that_nobody_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    found = world.planner(set()).plan()
    assert [decision.status for decision in found] == ["depends", "depends"]
    assert "the source 'a' was never looked at" in found[0].reason
    assert world.run(world.look(every=False)) == {"snapshot": "built", "collect": "built"}
    assert world.statuses() == {"snapshot": "cached", "collect": "cached"}


def test_between_two_looks_every_run_sees_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(world.look(every=False))
    world.edit("a", "news")
    assert world.look(every=False) == set()
    assert world.run(set()) == {"snapshot": "cached", "collect": "cached"}
    assert world.run(world.look(every=True)) == {"snapshot": "built", "collect": "built"}
    assert world.run(world.look(every=True)) == {"snapshot": "cached", "collect": "cached"}


def test_a_source_that_is_down_holds_with_the_reason_and_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(world.look(every=False))
    world.toggle("a")
    looked = world.look(every=True)
    assert world.statuses(looked) == {"snapshot": "held", "collect": "held"}
    assert world.run(looked) == {"snapshot": "held", "collect": "blocked"}
    assert world.error is not None and int(world.error.exit_code) == 6
    assert "'a' is down (not_there" in str(world.error) and "--refresh" in str(world.error)
    assert "accept" not in str(world.error)
    assert world.statuses()["snapshot"] == "depends", "the next run looks at it by itself"


def test_proceeding_warns_in_every_run_and_builds_nothing_new(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(world.look(every=False))
    world.policy["a"] = "proceed"
    world.toggle("a")
    looked = world.look(every=True)
    for _ in range(2):
        run = Run(world.planner(looked), launcher=launch)
        outcome = run.execute("snapshot")
        assert outcome.outcome == "cached" and "'a' is down" in outcome.warnings[0]
        looked = set()


def test_what_is_down_of_one_source_does_not_lose_what_is_new_of_another(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.policy["a"] = "proceed"
    world.run(world.look(every=False))
    world.toggle("a")
    world.edit("b", "news")
    assert world.run(world.look(every=True)) == {"snapshot": "built", "collect": "built"}


def test_damaged_bytes_of_a_source_end_one_run_and_are_fetched_again_by_the_next(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(world.look(every=False))
    digest = world.store.records.get(f"sources/{record_key(world.sources()['a'])}/seen.json")
    assert digest is not None
    path = world.store.objects.path(json.loads(digest.data)["items"][0][2])
    path.chmod(0o644)
    path.write_bytes(b"FIRST OF A")
    shutil.rmtree(world.store.root / "parts")
    shutil.rmtree(world.store.root / "cache")
    for name in (world.store.root / "keys").iterdir():
        if b'"collect"' in name.read_bytes():
            name.unlink()
    world.store = Store.open(world.store.root)
    assert world.run(world.look(every=False)) == {"snapshot": "cached", "collect": "failed"}
    assert world.error is not None and "--refresh" in world.error.hint
    looked = world.look(every=False)
    assert len(looked) == 1, "it is due: its bytes are gone"
    assert world.run(looked) == {"snapshot": "cached", "collect": "built"}
