"""Damage that shows only when bytes are read, by one node or by several at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from toy import Toy, build_step, outcomes

from schemas.errors import DamagedArtifact, StageFailed
from tasks.engine.listener import Silence
from tasks.engine.runner import Run
from tasks.engine.stage import Context, Part


def flip(toy: Toy, digest: str) -> None:
    path = toy.store.objects.path(digest)
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def digest_of(run: Run, node: str) -> str:
    return run._manifests[node].outputs["data"].files[0].digest


def test_two_readers_of_one_damaged_input_have_it_rebuilt_once(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    first = toy.run()
    found = threading.Barrier(2)

    def read_together(context: Context) -> None:
        try:
            build_step(context)
        except DamagedArtifact:
            found.wait(20)
            raise

    toy.work = {"costly": read_together, "c": read_together}
    toy.values["costly"] = toy.values["c"] = 1
    flip(toy, digest_of(first, "a"))
    toy.built.clear()
    run = Run(toy.planner(), launcher=toy.launch, parallel=2)
    run.execute("source")
    run.execute("a")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run.execute, ("costly", "c")))
    run.execute("b")
    assert toy.built.count("a") == 1
    assert outcomes(run)["a"] == "built" and {outcomes(run)[name] for name in ("costly", "c")} == {"built"}


def test_a_rebuild_of_an_input_that_fails_is_the_failure_of_that_input(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    first = toy.run()

    def fail(context: Context) -> None:
        raise StageFailed("cannot be built again")

    toy.work = {"a": fail}
    toy.values["c"] = 1
    flip(toy, digest_of(first, "a"))
    run = toy.run()
    assert outcomes(run)["a"] == outcomes(run)["c"] == "failed"
    assert "running" not in outcomes(run).values()


def write(part: Part, folder: Path) -> dict[str, Any]:
    (folder / "out.txt").write_text("part of a stage")
    return {}


def test_a_damaged_part_of_a_stage_is_computed_again(tmp_path: Path) -> None:
    toy = Toy(tmp_path)

    def read_parts(context: Context) -> None:
        (result,) = context.map_parts(write, [Part("p")])
        assert context.path(result.files["out.txt"]).read_text() == "part of a stage"
        build_step(context)

    toy.work = {"c": read_parts}
    toy.run()
    (record,) = toy.store.records.list("parts")
    part = toy.store.records.get(record)
    assert part is not None
    import json

    flip(toy, json.loads(part.data)["files"][0]["digest"])
    toy.values["c"] = 1
    assert outcomes(toy.run())["c"] == "built"


def test_an_input_that_vanishes_during_a_run_is_rebuilt(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    toy.values["c"] = 1
    run = Run(toy.planner(), launcher=toy.launch)
    for name in ("source", "a", "costly", "b"):
        run.execute(name)
    manifest = run._manifests["a"]
    toy.store.objects.discard(digest_of(run, "a"))
    (toy.store.root / "artifacts" / "a" / manifest.version / "data" / "out.json").unlink()
    assert run.execute("c").outcome == "built"
    assert outcomes(run)["a"] == "built"


@pytest.mark.parametrize("told", ["started", "finished"])
def test_a_listener_whose_terminal_is_gone_ends_no_build(tmp_path: Path, told: str) -> None:
    toy = Toy(tmp_path)

    class Gone(Silence):
        pass

    def broken(*_: object) -> None:
        raise BrokenPipeError

    listener = Gone()
    setattr(listener, told, broken)
    assert set(outcomes(toy.run(listener=listener)).values()) == {"built"}
