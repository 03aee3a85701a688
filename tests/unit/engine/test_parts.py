"""Parts in several processes: who does what makes no difference."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import Interrupted, NightmillError, StageFailed
from tasks.engine.parts import map_parts
from tasks.engine.stage import Part, PartResult
from tasks.engine.workers import SURE_BYTES, Workers
from tasks.store.store import Store

PATIENCE_S = 120


def square(part: Part, folder: Path) -> Mapping[str, Any]:
    with (Path(part.execution["journal"]) / f"{part.name}-{os.getpid()}").open("x"):
        pass
    number = part.parameters["number"]
    (folder / "square.txt").write_text(str(number**2))
    return {"number": number}


def meet(part: Part, folder: Path) -> Mapping[str, Any]:
    """Ends only when as many processes work at the same time as there are parts."""
    journal = Path(part.execution["journal"])
    (journal / str(os.getpid())).touch()
    give_up_at = time.monotonic() + PATIENCE_S
    while len(list(journal.iterdir())) < part.parameters["number"]:
        assert time.monotonic() < give_up_at, "the others never came"
        time.sleep(0.01)
    return {"process": os.getpid()}


def fail_slowly(part: Part, folder: Path) -> Mapping[str, Any]:
    """Fails in other processes; this one waits until that has happened."""
    mark = Path(part.execution["journal"]) / "failed"
    if multiprocessing.parent_process() is not None:
        mark.touch()
        raise StageFailed("no good", where=part.name)
    give_up_at = time.monotonic() + PATIENCE_S
    while not mark.exists():
        assert time.monotonic() < give_up_at, "no other process came"
        time.sleep(0.01)
    return {}


def run(
    root: Path, numbers: list[int], workers: Workers, function: Any = square, *, reuse: bool = False, weight: int = 0
) -> list[PartResult]:
    journal = root / "journal"
    journal.mkdir(exist_ok=True)
    parts = [
        Part(
            f"p{place}",
            parameters={"number": number},
            execution={"journal": str(journal)},
            bytes_elsewhere=weight + place,
        )
        for place, number in enumerate(numbers)
    ]
    return map_parts(
        function,
        parts,
        store=Store.open(root / "store"),
        code="code",
        folder=root / "work",
        workers=workers,
        reuse=reuse,
        stopping=lambda: False,
        done=lambda done, total: None,
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), min_size=2, max_size=12), st.integers(1, 3))
def test_however_many_processes_every_part_is_done_once_and_results_are_equal(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], count: int
) -> None:
    root = tmp_path_factory.mktemp("parts")
    workers = Workers(count)
    results = run(root, numbers, workers, weight=SURE_BYTES)
    workers.close()
    assert [result.figures["number"] for result in results] == numbers
    assert [result.files["square.txt"].digest for result in results] == [
        result.files["square.txt"].digest for result in run(root, numbers, Workers(1), reuse=True)
    ]
    done = [path.name.split("-")[0] for path in (root / "journal").iterdir()]
    assert sorted(done) == sorted(f"p{place}" for place in range(len(numbers)))


def test_the_builds_own_process_works_beside_the_others(tmp_path: Path) -> None:
    workers = Workers(2)
    results = run(tmp_path, [2, 2], workers, meet, weight=SURE_BYTES)
    workers.close()
    processes = {result.figures["process"] for result in results}
    assert os.getpid() in processes and len(processes) == 2


def test_little_work_starts_no_process(tmp_path: Path) -> None:
    run(tmp_path, list(range(6)), Workers(2))
    assert {path.name.split("-")[1] for path in (tmp_path / "journal").iterdir()} == {str(os.getpid())}


def test_a_part_that_fails_in_another_process_ends_the_work_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(NightmillError, match="no good"):
        run(tmp_path, list(range(40)), Workers(2), fail_slowly, weight=SURE_BYTES)


def test_a_stop_keeps_what_is_finished(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    asked = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 3

    parts = [
        Part(f"p{number}", parameters={"number": number}, execution={"journal": str(tmp_path / "journal")})
        for number in range(6)
    ]
    store = Store.open(tmp_path / "store")

    def go(stop: Any) -> list[PartResult]:
        return map_parts(
            square,
            parts,
            store=store,
            code="code",
            folder=tmp_path / "work",
            workers=Workers(1),
            stopping=stop,
            done=lambda done, total: None,
        )

    with pytest.raises(Interrupted):
        go(stopping)
    assert sum(result.reused for result in go(lambda: False)) == 3
