"""What is remembered of a source, whenever a look dies and whatever its fetcher brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from source_stages import Bench, ledger

from schemas.config.remote_sources import UrlSource
from schemas.errors import StageFailed
from tasks.fetch.contract import Destination, Failure, Fetched, Fetcher, Item, SourceDown
from tasks.fetch.record import read_attempt, read_seen, record_key
from tasks.fetch.take import look_folder, store_get, take_look
from tasks.store.local import LocalRecords
from tasks.store.store import Store

SOURCE = UrlSource(type="url", url="memory://texts", licence="MIT")
KEY = record_key(SOURCE)


def bring(
    texts: Mapping[str, str], *, brought: list[str] | None = None, then: Callable[[], Any] | None = None
) -> Fetcher:
    """A fetcher that brings texts by path, those it does not have, and does something else before it ends."""

    def fetch(source: Any, known: Mapping[str, Item], state: Any, destination: Destination) -> Fetched:
        items = []
        for path, text in texts.items():
            item = known.get(path)
            if item is None or item.tag != {"text": text}:
                file = destination.folder / "file"
                file.write_text(text)
                item = Item(path, f"memory://{path}", *destination.keep(file), "text", {"text": text})
                destination.remember(item)
                if brought is not None:
                    brought.append(path)
            items.append(item)
        if then is not None:
            then()
        return Fetched(items, state={"count": len(items)})

    return fetch


class Killed(BaseException):
    """Stands for the death of the process: nothing after it happens."""


class DyingRecords(LocalRecords):
    """Records whose process dies at its nth write, before or after the write happened."""

    def __init__(self, root: Path, dies_at: float) -> None:
        super().__init__(root)
        self._left = dies_at

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return bool(self._dying(lambda: super(DyingRecords, self).put_if_absent(name, data)))

    def put_if_match(self, name: str, data: bytes, etag: str) -> bool:
        return bool(self._dying(lambda: super(DyingRecords, self).put_if_match(name, data, etag)))

    def _dying(self, write: Callable[[], bool]) -> bool:
        self._left -= 1
        if self._left == 0:
            raise Killed
        done = write()
        if self._left == -0.5:
            raise Killed
        return done


@pytest.mark.parametrize("dies_at", [1, 0.5, 2, 1.5, 3, 2.5])
def test_a_look_that_dies_at_any_write_leaves_the_old_state_or_the_new_one(tmp_path: Path, dies_at: float) -> None:
    store = Store.open(tmp_path / "store")
    take_look("web", SOURCE, store, fetch=bring({"a.txt": "one", "b.txt": "two"}))
    before = read_seen(store_get(store), KEY)
    new = {"a.txt": "one", "b.txt": "changed", "c.txt": "three"}
    dying = Store(store.root, DyingRecords(store.root, dies_at), store.objects, store.cache)
    with pytest.raises(Killed):
        take_look("web", SOURCE, dying, fetch=bring(new))
    after = read_seen(store_get(store), KEY)
    assert after is not None and before is not None
    assert after.items == before.items or [item.path for item in after.items] == sorted(new)
    brought: list[str] = []
    take_look("web", SOURCE, store, fetch=bring(new, brought=brought))
    assert brought == ([] if dies_at > 1 else ["b.txt", "c.txt"]), "what was fetched is not fetched again"
    fresh = Store.open(tmp_path / "fresh")
    take_look("web", SOURCE, fresh, fetch=bring(new))
    found, expected = read_seen(store_get(store), KEY), read_seen(store_get(fresh), KEY)
    assert found is not None and expected is not None
    assert (found.items, found.state) == (expected.items, expected.state)
    attempt = read_attempt(store_get(store), KEY)
    assert attempt is not None and attempt.outcome == "done"
    assert not look_folder(store, KEY).exists()


@pytest.mark.parametrize("torn", [b"", b'["b.txt","', b'{"x":1}\n', b"\xff\xfe\n", b'["a"]\n'])
def test_a_journal_that_breaks_off_or_was_damaged_is_read_as_far_as_it_goes(tmp_path: Path, torn: bytes) -> None:
    store = Store.open(tmp_path / "store")

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        take_look("web", SOURCE, store, fetch=bring({"a.txt": "one"}, then=die))
    with (look_folder(store, KEY) / "journal.jsonl").open("ab") as file:
        file.write(torn)
    brought: list[str] = []
    with pytest.raises(Killed):
        take_look("web", SOURCE, store, fetch=bring({"a.txt": "one", "b.txt": "two"}, brought=brought, then=die))
    take_look("web", SOURCE, store, fetch=bring({"a.txt": "one", "b.txt": "two"}, brought=brought))
    assert brought == ["b.txt"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "items": [[1]]}'])
def test_a_damaged_record_counts_as_never_looked_at(tmp_path: Path, damage: bytes) -> None:
    bench = Bench(tmp_path)
    take_look("web", SOURCE, bench.store, fetch=bring({"a.txt": "one"}))
    for name in ("seen.json", "attempt.json"):
        path = bench.store.root / "sources" / KEY / name
        before = path.read_bytes()
        path.write_bytes(damage)
        assert "never looked at" in bench.look({"web": SOURCE}).pending
        path.write_bytes(before)
    assert bench.look({"web": SOURCE}).pending == ""


def test_two_orders_of_arrival_give_one_state(tmp_path: Path) -> None:
    texts = {f"{number}.txt": f"text {number}" for number in range(9)}
    ledgers = []
    for name, order in (("x", list(texts)), ("y", list(reversed(texts)))):
        bench = Bench(tmp_path / name)
        take_look("web", SOURCE, bench.store, fetch=bring({path: texts[path] for path in order}))
        ledgers.append(bench.snapshot({"web": SOURCE}).digests())
    assert ledgers[0] == ledgers[1]


def test_what_could_not_be_had_this_time_stands_and_what_is_gone_leaves(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    take_look("web", SOURCE, bench.store, fetch=bring({"a.txt": "one", "b.txt": "two", "c.txt": "three"}))

    def fetch(source: Any, known: Mapping[str, Item], state: Any, destination: Destination) -> Fetched:
        assert state == {"count": 3}
        failures = [
            Failure("a.txt", "memory://a", "http_503"),
            Failure("b.txt", "memory://b", "http_410", gone=True),
            Failure("d.txt", "memory://d", "http_404", gone=True),
        ]
        return Fetched([known["c.txt"]], failures)

    take_look("web", SOURCE, bench.store, fetch=fetch)
    found = {row["path"]: row["fault"] for row in ledger(bench.snapshot({"web": SOURCE}))}
    assert found == {"a.txt": "", "b.txt": "http_410", "c.txt": "", "d.txt": "http_404"}


@pytest.mark.parametrize("path", ["../x.txt", "/x.txt", "a//b.txt", "", "a/./b.txt"])
def test_a_fetcher_that_names_a_place_outside_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(StageFailed, match="must not"):
        take_look("web", SOURCE, Store.open(tmp_path / "store"), fetch=bring({path: "x"}))


def test_a_secret_in_what_a_fetcher_says_is_blotted_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "very-secret-value")
    source = SOURCE.model_copy(update={"options": {"token": "env:TEST_SECRET"}})
    store = Store.open(tmp_path / "store")

    def refuse(*_: Any) -> Fetched:
        raise SourceDown("forbidden", "Authorization: Bearer very-secret-value")

    looked = take_look("web", source, store, fetch=refuse)
    assert looked.detail == "Authorization: Bearer ***"
    fail = lambda *_: Fetched([], [Failure("a", "memory://a?token=very-secret-value", "x", "very-secret-value")])  # noqa: E731
    take_look("web", source, store, fetch=fail)
    seen = read_seen(store_get(store), record_key(source))
    assert seen is not None and "very-secret" not in json.dumps([seen.failures[0].url, seen.failures[0].detail])
