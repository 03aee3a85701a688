"""One conformance suite for every implementation of the five small operations."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.errors import StoreError
from tasks.store import local
from tasks.store.local import LocalRecords
from tasks.store.records import MemoryRecords, RecordStore


@pytest.fixture(params=["memory", "local"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> RecordStore:
    return MemoryRecords() if request.param == "memory" else LocalRecords(tmp_path)


def test_a_record_is_created_once(records: RecordStore) -> None:
    assert records.put_if_absent("keys/a", b"1")
    assert not records.put_if_absent("keys/a", b"2")
    found = records.get("keys/a")
    assert found is not None and found.data == b"1"


def test_a_swap_needs_the_state_it_was_planned_on(records: RecordStore) -> None:
    records.put_if_absent("k", b"1")
    first = records.get("k")
    assert first is not None
    assert records.put_if_match("k", b"2", first.etag)
    assert not records.put_if_match("k", b"3", first.etag)
    assert not records.put_if_match("absent", b"3", first.etag)
    found = records.get("k")
    assert found is not None and found.data == b"2"


def test_delete_can_demand_a_state(records: RecordStore) -> None:
    records.put_if_absent("k", b"1")
    found = records.get("k")
    assert found is not None
    assert not records.delete("k", "another state")
    assert records.delete("k", found.etag)
    assert not records.delete("k")
    assert records.get("k") is None


def test_names_are_listed_by_whole_components(records: RecordStore) -> None:
    for name in ("a/b/1", "a/b/2", "a/bc/3", "d"):
        records.put_if_absent(name, b"")
    assert records.list("a/b") == ["a/b/1", "a/b/2"]
    assert records.list("nothing") == []


def test_of_many_writers_one_creates_and_each_swap_has_one_winner(records: RecordStore) -> None:
    created: list[int] = []
    swapped: list[int] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        if records.put_if_absent("k", b"start"):
            created.append(number)
        barrier.wait()
        found = records.get("k")
        assert found is not None
        barrier.wait()
        if records.put_if_match("k", str(number).encode(), found.etag):
            swapped.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == len(swapped) == 1
    found = records.get("k")
    assert found is not None and found.data == str(swapped[0]).encode()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_a_name_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name inside"):
        LocalRecords(tmp_path).put_if_absent(name, b"x")


def test_a_process_that_is_stopped_with_the_lock_is_an_error_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOCK_S", 0.2)
    records = LocalRecords(tmp_path)
    records.put_if_absent("k", b"1")
    with records._locked(), pytest.raises(StoreError, match="locked the store"):
        LocalRecords(tmp_path).delete("k")
    assert records.delete("k")


def count_up(root: str, times: int) -> None:
    records = LocalRecords(Path(root))
    for _ in range(times):
        while True:
            found = records.get("counter")
            assert found is not None
            if records.put_if_match("counter", str(int(found.data) + 1).encode(), found.etag):
                break


def test_processes_that_count_together_lose_nothing(tmp_path: Path) -> None:
    LocalRecords(tmp_path).put_if_absent("counter", b"0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count_up, args=(str(tmp_path), 25)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = LocalRecords(tmp_path).get("counter")
    assert found is not None and found.data == b"75"


class LocalBehavesLikeMemory(RuleBasedStateMachine):
    """Any sequence of operations has the same answers from files as from a dictionary."""

    names = st.sampled_from(["a", "b/c", "b/d", "e/f/g"])
    values = st.binary(max_size=3)

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.stores: list[RecordStore] = [MemoryRecords(), LocalRecords(Path(self.folder.name))]

    @rule(name=names, value=values)
    def put_if_absent(self, name: str, value: bytes) -> None:
        memory, local = (store.put_if_absent(name, value) for store in self.stores)
        assert memory == local

    @rule(name=names, value=values, old=values)
    def swap(self, name: str, value: bytes, old: bytes) -> None:
        from tasks.store.records import etag_of

        memory, local = (store.put_if_match(name, value, etag_of(old)) for store in self.stores)
        assert memory == local

    @rule(name=names)
    def delete(self, name: str) -> None:
        memory, local = (store.delete(name) for store in self.stores)
        assert memory == local

    @invariant()
    def they_hold_the_same(self) -> None:
        for prefix in ("b", "e", "e/f"):
            memory, local = (store.list(prefix) for store in self.stores)
            assert memory == local
        for name in ("a", "b/c", "b/d", "e/f/g"):
            memory_record, local_record = (store.get(name) for store in self.stores)
            assert memory_record == local_record

    def teardown(self) -> None:
        self.folder.cleanup()


TestLocalBehavesLikeMemory = LocalBehavesLikeMemory.TestCase
TestLocalBehavesLikeMemory.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
