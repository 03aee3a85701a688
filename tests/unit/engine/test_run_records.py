"""What a run says of itself afterwards."""

from __future__ import annotations

from pathlib import Path

from toy import Toy, outcomes

from flows.lookup import find_artifact, find_run
from flows.session import manifests_of
from schemas.errors import BadInputError, Held, StageFailed
from tasks.engine.runner import Run
from tasks.engine.stage import Context
from tasks.store.leases import this_process


def test_the_earliest_failure_is_the_runs_error_whatever_its_kind(tmp_path: Path) -> None:
    toy = Toy(tmp_path)

    def bad_input(context: Context) -> None:
        raise BadInputError("too much of it is bad")

    def fail(context: Context) -> None:
        raise StageFailed("fails")

    toy.run()
    toy.values["b"] = toy.values["c"] = 1
    toy.work = {"b": bad_input, "c": fail}
    assert isinstance(toy.run().error(), BadInputError)
    toy.set_code("costly", 1)
    run = toy.run()
    assert isinstance(run.errors["costly"], Held) and isinstance(run.error(), StageFailed)


def test_a_stop_after_the_last_stage_makes_no_run_interrupted(tmp_path: Path) -> None:
    run = Run((toy := Toy(tmp_path)).planner(), launcher=toy.launch)
    for name in run.graph.nodes:
        run.execute(name)
    run.stop.set()
    assert run.finish().outcome == "done"


def test_a_killed_run_is_not_at_work_for_ever(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    run = Run(toy.planner(), launcher=toy.launch)
    run.execute("source")
    assert find_run(toy.store, "latest").outcome == "running"
    run.record.process = {**this_process(), "pid": 2**22 + 1}
    run.log.save()
    killed = find_run(toy.store, "latest")
    assert killed.outcome == "interrupted"
    assert {stage.outcome for stage in killed.stages} == {"built", "interrupted"}


def test_an_old_run_keeps_its_own_artifacts_after_a_rebuild(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    first = toy.run()
    toy.run(forced={"c"})
    assert manifests_of(toy.store, first.record)["c"] == first._manifests["c"]


def test_lost_marks_are_set_again_so_that_the_plan_keeps_its_word(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    for name in toy.store.records.list("marks"):
        toy.store.records.delete(name)
    toy.run()
    toy.set_code("costly", 1)
    assert outcomes(toy.run())["costly"] == "held"


def test_a_stray_file_among_the_references_is_passed_over(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    run = toy.run()
    (toy.store.root / "refs" / ".DS_Store").write_bytes(b"x")
    assert find_artifact(toy.store, "c") == run._manifests["c"]
