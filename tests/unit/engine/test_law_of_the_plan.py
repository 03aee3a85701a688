"""What plan calls cached or held is never run; what it calls run always runs; `depends` resolves either way."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from toy import Toy, outcomes

NODES = ["source", "a", "costly", "b", "judge", "c"]

step = st.one_of(
    st.tuples(st.just("value"), st.sampled_from(NODES), st.integers(0, 2)),
    st.tuples(st.just("code"), st.sampled_from(NODES), st.integers(0, 2)),
    st.tuples(st.just("comment"), st.sampled_from(NODES), st.integers(0, 2)),
    st.tuples(st.just("source"), st.lists(st.sampled_from("xyz"), min_size=1, unique=True), st.just(0)),
    st.tuples(st.just("delete"), st.sampled_from(NODES), st.just(0)),
    st.tuples(st.just("force"), st.sampled_from(NODES), st.just(0)),
    st.tuples(st.just("accept"), st.just("costly"), st.just(0)),
    st.tuples(st.just("day"), st.just(""), st.integers(1, 3)),
)

ALLOWED = {
    "cached": {"cached"},
    "held": {"held", "blocked"},
    "run": {"built"},
    "depends": {"cached", "built", "held", "blocked"},
}


@settings(max_examples=25, deadline=None)
@given(st.lists(step, min_size=1, max_size=8))
def test_the_run_does_what_the_plan_says(steps: list[tuple[str, object, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        toy = Toy(Path(folder), judged=True)
        toy.run()
        codes = dict.fromkeys(NODES, 0)
        date = "2026-01-01"
        for kind, target, number in steps:
            forced: set[str] = set()
            if kind == "value":
                toy.values[str(target)] = number
            elif kind == "code":
                codes[str(target)] = number
                toy.set_code(str(target), number)
            elif kind == "comment":
                toy.set_code(str(target), codes[str(target)], f"comment {number}")
            elif kind == "source":
                toy.set_source(list(target))  # type: ignore[call-overload]
            elif kind == "day":
                date = f"2026-01-0{number}"
            elif kind == "force":
                forced = {str(target)}
            elif kind == "delete":
                manifest = toy.planner(date).latest(str(target))
                if manifest is not None:
                    toy.store.objects.discard(manifest.outputs["data"].files[0].digest)
            elif kind == "accept":
                for decision in toy.planner(date).plan():
                    if decision.status == "held" and decision.manifest is not None and decision.identity is not None:
                        toy.store.point(decision.identity.key, decision.manifest, accepted_by="somebody")
            planned = {decision.node: decision.status for decision in toy.planner(date, forced).plan()}
            found = outcomes(toy.run(date, forced))
            for node, status in planned.items():
                assert found[node] in ALLOWED[status], (kind, target, number, planned, found)


def test_a_second_run_finds_everything_cached(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    assert set(outcomes(toy.run()).values()) == {"built"}
    assert set(outcomes(toy.run()).values()) == {"cached"}
    assert {decision.status for decision in toy.planner().plan()} == {"cached"}


def test_the_first_plan_says_that_everything_runs(tmp_path: Path) -> None:
    assert {decision.status for decision in Toy(tmp_path).planner().plan()} == {"run"}


def test_another_day_without_news_runs_nothing(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run("2026-01-01")
    assert set(outcomes(toy.run("2026-02-01")).values()) == {"cached"}


def test_a_ledger_keeps_when_an_item_was_first_seen(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run("2026-01-01")
    toy.set_source(["x", "y"])
    run = toy.run("2026-01-02")
    file = run._manifests["source"].outputs["data"].files[0]
    assert toy.store.verified_path(file).read_text() == '{"x": "2026-01-01", "y": "2026-01-02"}'
    toy.store.objects.discard(file.digest)
    again = toy.run("2026-01-09")
    assert again._manifests["source"].outputs["data"].files[0].digest == file.digest
    assert outcomes(again)["a"] == "cached"
