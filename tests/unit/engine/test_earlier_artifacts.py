"""The latest artifact of a node is a hint for the next: handed on when only inputs changed, and part of no key."""

from __future__ import annotations

from pathlib import Path

from toy import Toy, build_step

from tasks.engine.stage import Context


def watched(toy: Toy, step: str = "a") -> list[dict[str, str] | None]:
    """Lets a step note what it is handed of earlier artifacts; `a` is the one that asks for them."""
    seen: list[dict[str, str] | None] = []

    def work(context: Context) -> None:
        build_step(context)
        earlier = context.earlier
        seen.append(None if earlier is None else {n: o.files[0].path.read_text() for n, o in earlier.items()})
        note = context.folder / "note.txt"
        note.write_text(f"note {len(seen)}")
        context.add_diagnostic("note.txt", note)

    toy.work[step] = work
    return seen


def test_outputs_and_diagnostics_are_handed_on_when_inputs_changed(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    seen = watched(toy)
    first = toy.run()
    data = toy.store.verified_path(first._manifests["a"].outputs["data"].files[0]).read_text()
    toy.set_source(["x", "y"])
    toy.run("2026-01-02")
    assert seen == [None, {"data": data, "diagnostics": "note 1"}]


def test_nothing_is_handed_on_across_settings_code_damage_and_force(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    seen = watched(toy)
    toy.run()
    toy.values["a"] = 1
    toy.run()
    toy.set_code("a", 1)
    toy.run()
    toy.run(forced={"a"})
    toy.set_source(["x", "y"])
    run = toy.run("2026-01-02")
    assert seen[:4] == [None] * 4 and seen[4] is not None
    toy.store.objects.discard(run._manifests["a"].diagnostics[0].digest)
    toy.set_source(["x", "y", "z"])
    toy.run("2026-01-03")
    assert seen[5:] == [None]


def test_nothing_is_handed_to_a_stage_that_does_not_ask(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    seen = watched(toy, "b")
    toy.run()
    toy.set_source(["x", "y"])
    toy.run("2026-01-02")
    assert seen == [None, None]
