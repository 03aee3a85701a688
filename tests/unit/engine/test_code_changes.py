"""Which edits of code invalidate what."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from toy import Toy, outcomes

from tasks.engine.fingerprint import fingerprint
from tasks.engine.launcher import BUILDER
from tasks.engine.runner import Run
from tasks.store.cache import LocalCache


def test_a_comment_or_docstring_invalidates_nothing(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    for name in toy.values:
        toy.set_code(name, 0, "another comment")
    assert set(outcomes(toy.run()).values()) == {"cached"}


def test_other_code_with_equal_bytes_stops_at_once(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    toy.set_code("a", 1)
    assert outcomes(toy.run()) == {"source": "cached", "a": "built", "costly": "cached", "b": "cached", "c": "cached"}


def test_other_code_of_an_expensive_stage_holds_until_accepted(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    toy.set_code("costly", 1)
    run = toy.run()
    assert outcomes(run) == {"source": "cached", "a": "cached", "costly": "held", "b": "blocked", "c": "cached"}
    assert run.record.outcome == "held"
    decision = next(decision for decision in toy.planner().plan() if decision.node == "costly")
    assert decision.identity is not None and decision.manifest is not None
    toy.store.point(decision.identity.key, decision.manifest, accepted_by="somebody")
    assert set(outcomes(toy.run()).values()) == {"cached"}


def test_force_builds_a_held_stage(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    toy.set_code("costly", 1)
    assert outcomes(toy.run(forced={"costly"}))["costly"] == "built"
    assert set(outcomes(toy.run()).values()) == {"cached"}


def test_code_that_is_edited_during_a_run_is_not_taken_for_what_was_planned(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    planner = toy.planner()
    planner.plan()
    run = Run(planner, launcher=toy.launch)
    toy.set_code("a", 1)
    for name in run.graph.nodes:
        run.execute(name)
    assert outcomes(run)["a"] == "failed" and "edited" in str(run.error())
    assert set(outcomes(toy.run()).values()) == {"cached", "built"}


def test_modules_in_the_working_folder_do_not_stand_in_for_ours(tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text("raise SystemExit(99)\n")
    process = subprocess.run([*BUILDER, "no spec", "0"], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode != 99 and "no spec" in process.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "clean" / "words").mkdir(parents=True)
    (tmp_path / "tasks" / "engine").mkdir()
    (tmp_path / "tasks" / "clean" / "__init__.py").write_text('"""Clean."""\n')
    (tmp_path / "tasks" / "clean" / "stage.py").write_text(
        "def build(context):\n    from tasks.clean import rules\n    import tasks.engine.stage\n    rules.go()\n"
    )
    (tmp_path / "tasks" / "clean" / "rules.py").write_text('def go():\n    """Goes."""\n    return 1\n')
    (tmp_path / "tasks" / "clean" / "words" / "en.txt").write_text("the\n")
    (tmp_path / "tasks" / "engine" / "stage.py").write_text("A = 1\n")
    return tmp_path


def digest(project: Path) -> str:
    return fingerprint("tasks.clean.stage", project, LocalCache(None)).digest


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rules.py", 'def go():\n    """Goes elsewhere."""\n    # why\n    return 1\n'),
        ("rules.py", "def go(\n):\n    return (\n        1\n    )\n"),
        ("../engine/stage.py", "A = 2\n"),
    ],
)
def test_these_edits_keep_the_fingerprint(project: Path, file: str, text: str) -> None:
    before = digest(project)
    (project / "tasks" / "clean" / file).write_text(text)
    assert digest(project) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rules.py", "def go():\n    return 2\n"),
        ("words/en.txt", "the\nof\n"),
        ("stage.py", "def build(context):\n    from tasks.clean.rules import go\n    go()\n"),
    ],
)
def test_these_edits_change_the_fingerprint(project: Path, file: str, text: str) -> None:
    before = digest(project)
    (project / "tasks" / "clean" / file).write_text(text)
    assert digest(project) != before


@pytest.mark.parametrize("name", ["rules.py~", "words/.en.txt.swp", "words/en.txt~", "#rules.py#", "rules.py.orig"])
def test_what_editors_leave_behind_keeps_the_fingerprint(project: Path, name: str) -> None:
    before = digest(project)
    (project / "tasks" / "clean" / name).write_text("half a thought")
    assert digest(project) == before


def test_a_note_of_the_cache_that_is_damaged_is_made_again(project: Path, tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "cache.sqlite")
    before = fingerprint("tasks.clean.stage", project, cache)
    cache._connection.execute("UPDATE notes SET value = '{'")
    assert fingerprint("tasks.clean.stage", project, cache) == before


def test_a_module_imported_by_an_imported_module_counts(project: Path) -> None:
    rules = project / "tasks" / "clean" / "rules.py"
    rules.write_text("from .deep import depth\ndef go():\n    return depth\n")
    deep = project / "tasks" / "clean" / "deep.py"
    deep.write_text("depth = 1\n")
    before = digest(project)
    deep.write_text("depth = 2\n")
    assert digest(project) != before
