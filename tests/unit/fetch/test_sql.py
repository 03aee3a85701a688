"""Rows of SQL, here of SQLite: any sequence of looks gives what one look at the end gives."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from source_stages import Bench, documents, ledger, quarantine

from schemas.config.remote_sources import SqlSource
from schemas.errors import ConfigError
from tasks.fetch.contract import Item
from tasks.fetch.record import read_seen, record_key
from tasks.fetch.take import store_get

Rows = Sequence[tuple[Any, ...]]


class Database:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "texts.db"
        with sqlite3.connect(self.path) as connection:
            connection.execute("CREATE TABLE pages (id, text, licence)")

    def add(self, rows: Rows) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", rows)

    def delete(self, where: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(f"DELETE FROM pages WHERE {where}")

    def source(self, **settings: Any) -> SqlSource:
        found = {
            "type": "sql",
            "url": f"sqlite:///{self.path}",
            "query": "SELECT id, text, licence FROM pages ORDER BY rowid;",
            "licence": "MIT",
            "chunk_rows": 3,
        }
        return SqlSource.model_validate({**found, **settings})

    def growing(self, **settings: Any) -> SqlSource:
        return self.source(incremental="id", mode="accumulate", **settings)


def items(bench: Bench, source: SqlSource) -> list[Item]:
    seen = read_seen(store_get(bench.store), record_key(source))
    assert seen is not None
    return seen.items


def texts(bench: Bench, source: SqlSource) -> list[str]:
    lines = [
        line for item in items(bench, source) for line in bench.store.objects.path(item.sha256).read_text().splitlines()
    ]
    return [json.loads(line)["text"] for line in lines]


def test_rows_become_documents_with_their_licence(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(1, "one", "CC0-1.0"), (2, "二", None), (3, None, None), (4, 4, None), (5, b"bytes", None)])
    sources = {"db": database.source(max_bad_fraction=1)}
    built = bench.collect(sources, bench.refreshed(sources))
    found = [(row["path"], row["offset"], row["text"], row["licence"], row["origin"]) for row in documents(built)]
    assert found == [
        ("rows-00000000.jsonl", 0, "one", "CC0-1.0", "db"),
        ("rows-00000000.jsonl", 1, "二", "MIT", "db"),
    ]
    assert quarantine(built) == [
        ("rows-00000000.jsonl", 3, "missing_field"),
        ("rows-00000001.jsonl", 1, "not_a_text"),
        ("rows-00000001.jsonl", 2, "not_a_text"),
    ]


def test_text_that_is_no_unicode_is_quarantined_not_mended(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    with sqlite3.connect(database.path) as connection:
        connection.execute("INSERT INTO pages VALUES (1, CAST(X'636166E9' AS TEXT), NULL), (2, 'fine', NULL)")
    sources = {"db": database.source(max_bad_fraction=1)}
    built = bench.collect(sources, bench.refreshed(sources))
    assert quarantine(built) == [("rows-00000000.jsonl", 1, "invalid_utf8")]
    assert [row["text"] for row in documents(built)] == ["fine"]


batches = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=4)


@settings(max_examples=10, deadline=None)
@given(batches, st.integers(1, 4))
def test_any_sequence_of_looks_gives_the_chunks_of_one_look_at_the_end(steps: list[list[int]], rows: int) -> None:
    """Values only grow from look to look, but many rows share one: among them those at the mark."""
    with tempfile.TemporaryDirectory() as folder:
        database, bench = Database(Path(folder)), Bench(Path(folder) / "nightly")
        source = database.growing(chunk_rows=rows)
        mark = number = 0
        for step in [[0], *steps]:
            new = [(mark + value // 2, f"row {number + place}", None) for place, value in enumerate(step)]
            database.add(new)
            number += len(new)
            mark = max([mark, *(value for value, _, _ in new)])
            bench.take_look({"db": source})
        once = Bench(Path(folder) / "once")
        once.take_look({"db": source})
        assert items(bench, source) == items(once, source)
        assert sorted(texts(bench, source)) == sorted(f"row {place}" for place in range(number))


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(-4, 3), min_size=1, max_size=6))
def test_rows_that_come_late_are_not_missed_as_long_as_they_come_within_late_by(moves: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database, bench = Database(Path(folder)), Bench(Path(folder) / "nightly")
        source = database.growing(late_by=4, chunk_rows=2)
        mark = 10
        database.add([(mark, "first", None)])
        bench.take_look({"db": source})
        for number, move in enumerate(moves):
            database.add([(mark + move, f"row {number}", None)])
            mark = max(mark, mark + move)
            bench.take_look({"db": source})
        once = Bench(Path(folder) / "once")
        once.take_look({"db": source})
        assert items(bench, source) == items(once, source)


def test_chunks_below_the_mark_are_not_read_again(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(number, f"row {number}", None) for number in range(10)])
    source = database.growing()
    assert bench.take_look({"db": source})["db"].transferred == 4
    database.delete("id < 6")
    database.add([(10, "row 10", None), (11, "row 11", None)])
    assert bench.take_look({"db": source})["db"].transferred == 1
    assert texts(bench, source) == [f"row {number}" for number in range(12)], "what was read stays"


def test_rows_without_a_mark_are_counted_not_lost_silently(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(1, "one", None), (None, "unmarked", None)])
    sources = {"db": database.growing(max_bad_fraction=1)}
    built = bench.collect(sources, bench.refreshed(sources))
    assert quarantine(built) == [("rows-without-mark", 0, "no_mark")]


def test_without_a_mark_every_look_mirrors_the_query(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(number, f"row {number}", None) for number in range(5)])
    sources = {"db": database.source()}
    first = bench.refreshed(sources)
    assert bench.take_look(sources)["db"].transferred == 0
    database.delete("id = 4")
    second = bench.refreshed(sources, first, 2)
    assert [row["size"] for row in ledger(second)] < [row["size"] for row in ledger(first)]
    assert [row["text"] for row in documents(bench.collect(sources, second))] == [f"row {n}" for n in range(4)]


@pytest.mark.parametrize("limit", [1, 3, 4])
def test_a_limit_stops_the_query(tmp_path: Path, limit: int) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(number, f"row {number}", None) for number in range(9)])
    for source in (database.source(limit=limit), database.growing(limit=limit)):
        bench.take_look({"db": source})
        bench.take_look({"db": source})
        assert texts(bench, source) == [f"row {number}" for number in range(limit)]


def test_colons_percent_signs_and_casts_in_a_query_mean_what_they_say(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    database.add([(1, "12:30 100%", None), (2, "no", None)])
    source = database.source(query="SELECT text FROM pages WHERE text LIKE '%:30%' AND ':x' <> '%(y)s'")
    bench.take_look({"db": source})
    assert texts(bench, source) == ["12:30 100%"]


def test_a_query_or_url_that_cannot_be_used_is_no_outage(tmp_path: Path) -> None:
    database, bench = Database(tmp_path), Bench(tmp_path)
    with pytest.raises(ConfigError, match="gives no column 'body'") as error:
        bench.take_look({"db": database.source(text_field="body")})
    assert error.value.hint == "it gives: id, text, licence"
    with pytest.raises(ConfigError, match="cannot be opened"):
        bench.take_look({"db": database.source(url="oracel://host/x")})
    database.path.unlink()
    assert bench.take_look({"db": database.source()})["db"].reason == "not_there"


def test_modes_that_rows_cannot_have_are_refused_with_the_reason(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(ValidationError, match="cannot see what left"):
        database.source(incremental="id")
    with pytest.raises(ValidationError, match="name an `incremental` column"):
        database.source(mode="accumulate")
