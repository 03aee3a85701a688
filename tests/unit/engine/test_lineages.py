"""A stage that goes on from its own artifact of an earlier date: the parent is chosen once, and never is itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import Toy, outcomes

from tasks.engine.runner import Run
from tasks.engine.stage import Context


def train(context: Context) -> None:
    """Writes the inputs that this artifact and its ancestors read, oldest first."""
    (file,) = context.inputs["data"].files
    seen: list[str] = []
    if context.predecessor is not None:
        seen = json.loads(context.predecessor["data"].files[0].path.read_text())
    path = context.folder / "out.json"
    path.write_text(json.dumps([*seen, f"{file.path.read_text()}+{context.config.value}"]))
    context.add("data", "out.json", path)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return lineage(tmp_path)


def lineage(folder: Path) -> Toy:
    toy = Toy(folder, continued=True)
    toy.work = {"costly": train, "a": pass_on}
    return toy


def pass_on(context: Context) -> None:
    """Hands on the sources' items as they are, without their dates."""
    (file,) = context.inputs["data"].files
    path = context.folder / "out.json"
    path.write_text("".join(sorted(json.loads(file.path.read_text()))))
    context.add("data", "out.json", path)


def ancestry(toy: Toy, run: Run) -> list[str]:
    file = run._manifests["costly"].outputs["data"].files[0]
    found: list[str] = json.loads(toy.store.verified_path(file).read_text())
    return found


def test_each_night_goes_on_from_the_one_before(toy: Toy) -> None:
    found = []
    for day, items in enumerate((["x"], ["x", "y"], ["x", "y", "z"]), start=1):
        toy.set_source(items)
        found.append(ancestry(toy, toy.run(f"2026-01-0{day}")))
    assert found == [["x+0"], ["x+0", "xy+0"], ["x+0", "xy+0", "xyz+0"]]


def test_a_night_that_brings_nothing_new_trains_nothing(toy: Toy) -> None:
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    toy.run("2026-01-02")
    for date in ("2026-01-02", "2026-01-03", "2026-01-09"):
        plan = {decision.node: decision.status for decision in toy.planner(date).plan()}
        assert plan["costly"] == "cached"
        assert outcomes(toy.run(date))["costly"] == "cached"


def test_a_night_that_is_run_again_with_other_settings_does_not_go_on_from_itself(toy: Toy) -> None:
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    toy.run("2026-01-02")
    toy.values["costly"] = 7
    assert ancestry(toy, toy.run("2026-01-02")) == ["x+0", "xy+7"]
    toy.values["costly"] = 0
    again = toy.run("2026-01-02")
    assert outcomes(again)["costly"] == "cached" and ancestry(toy, again) == ["x+0", "xy+0"]
    toy.values["costly"] = 7
    assert ancestry(toy, toy.run("2026-01-03")) == ["x+0", "xy+0", "xy+7"]


def test_a_forced_build_has_the_parent_it_had(toy: Toy) -> None:
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    first = toy.run("2026-01-02")
    forced = toy.run("2026-01-05", forced={"costly"})
    assert outcomes(forced)["costly"] == "built"
    assert ancestry(toy, forced) == ancestry(toy, first) == ["x+0", "xy+0"]


def test_a_change_of_code_alone_holds_and_forced_has_the_parent_it_had(toy: Toy) -> None:
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    toy.run("2026-01-02")
    toy.set_code("costly", 1)
    for date in ("2026-01-02", "2026-01-03"):
        plan = {decision.node: decision for decision in toy.planner(date).plan()}
        assert plan["costly"].status == "held" and "only code changed" in plan["costly"].reason
        assert outcomes(toy.run(date))["costly"] == "held"
    assert ancestry(toy, toy.run("2026-01-03", forced={"costly"})) == ["x+0", "xy+0"]


def test_a_damaged_artifact_is_built_again_from_its_parent_and_a_damaged_parent_is_passed_over(toy: Toy) -> None:
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    second = toy.run("2026-01-02")
    lost = second._manifests["costly"].outputs["data"].files[0].digest
    toy.store.objects.discard(lost)
    again = toy.run("2026-01-03")
    assert outcomes(again)["costly"] == "built" and ancestry(toy, again) == ["x+0", "xy+0"]
    toy.store.objects.discard(lost)
    toy.set_source(["x", "y", "z"])
    assert ancestry(toy, toy.run("2026-01-04")) == ["x+0", "xyz+0"]


def test_the_parent_is_that_of_when_the_run_was_created_and_is_recorded(toy: Toy) -> None:
    first = toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    planner = toy.planner("2026-01-03")
    toy.run("2026-01-02")  # another run is done while this one has only begun
    run = Run(planner, launcher=toy.launch)
    for name in planner.graph.nodes:
        run.execute(name)
    assert run.finish().pins["costly"] == first._manifests["costly"].version
    assert ancestry(toy, run) == ["x+0", "xy+0"]
    assert run._manifests["costly"].predecessor


@settings(max_examples=40, deadline=None)
@given(
    nights=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["x", "xy", "xyz"]), st.integers(0, 1)), min_size=1, max_size=6
    )
)
def test_no_night_reads_its_own_date_twice_and_the_plan_is_kept(
    nights: list[tuple[int, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    toy = lineage(tmp_path_factory.mktemp("toy"))
    day = 1
    by_day: dict[int, set[str]] = {}
    for passed, items, value in nights:
        day += passed
        toy.set_source(list(items))
        toy.values["costly"] = value
        date = f"2026-01-{day:02}"
        plan = {decision.node: decision.status for decision in toy.planner(date).plan()}
        run = toy.run(date)
        if plan["costly"] in ("cached", "held"):
            assert outcomes(run)["costly"] == plan["costly"]
        if plan["costly"] == "run":
            assert outcomes(run)["costly"] == "built"
        found = ancestry(toy, run)
        assert found[-1] == f"{items}+{value}" and len(found) <= len({d for d in by_day if d < day}) + 1
        by_day.setdefault(day, set()).add(str(found))
        assert outcomes(toy.run(date))["costly"] == "cached"
