"""Two builders of one artifact: whoever is late uses what the other made."""

from __future__ import annotations

from pathlib import Path

from toy import Toy, build_step, outcomes

from schemas.errors import StageFailed
from tasks.engine.stage import Context


def test_who_lost_its_lease_uses_what_the_other_built(tmp_path: Path) -> None:
    toy = Toy(tmp_path)

    def overtaken(context: Context) -> None:
        """Loses its lease to a run that begins and ends meanwhile."""
        toy.work = {}
        for name in toy.store.records.list("leases"):
            toy.store.records.delete(name)
        assert outcomes(toy.run())["c"] == "built"
        build_step(context)

    toy.run()
    toy.values["c"] = 1
    toy.work = {"c": overtaken}
    run = toy.run()
    assert outcomes(run)["c"] == "cached" and run.error() is None


def test_a_build_that_fails_after_another_published_uses_that(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    name = "keys/" + toy.run()._manifests["c"].key
    pointer = toy.store.records.get(name)
    assert pointer is not None and toy.store.records.delete(name)

    def robbed(context: Context) -> None:
        """A sleeper publishes and clears the work away, this builder's too."""
        toy.store.records.put_if_absent(name, pointer.data)
        raise StageFailed("where is my folder?")

    toy.work = {"c": robbed}
    assert outcomes(toy.run())["c"] == "cached"
