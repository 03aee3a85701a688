"""SQL sources on a real PostgreSQL: memory, marks, ties, late rows, outages and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import yaml
from mini import DATE, Mini
from postgres_server import PASSWORD, Postgres
from source_stages import Bench, documents, quarantine

from schemas.config.remote_sources import SqlSource
from schemas.errors import ConfigError
from tasks.fetch.contract import Item
from tasks.fetch.record import read_seen, record_key
from tasks.fetch.take import store_get

VARIABLE = "NIGHTMILL_TEST_DATABASE"


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv(VARIABLE, postgres.url)
    postgres.execute(
        "DROP TABLE IF EXISTS pages", "CREATE TABLE pages (id bigint, at timestamptz, day date, text text)"
    )
    return postgres


def fill(database: Postgres, rows: int) -> None:
    database.execute(
        "INSERT INTO pages SELECT n, timestamptz '2026-01-01' + n * interval '1 s', date '2026-01-01' + n / 86400,"
        f" n || ' 中文 ' || repeat(md5(n::text), 32) FROM generate_series(0, {rows - 1}) AS n"
    )


def source(**settings: Any) -> SqlSource:
    found = {
        "type": "sql",
        "url": f"env:{VARIABLE}",
        "query": "SELECT * FROM pages",
        "licence": "MIT",
        "incremental": "id",
        "mode": "accumulate",
    }
    return SqlSource.model_validate({**found, **settings})


def items(bench: Bench, found: SqlSource) -> list[Item]:
    seen = read_seen(store_get(bench.store), record_key(found))
    assert seen is not None
    return seen.items


def texts(bench: Bench, found: SqlSource) -> list[str]:
    paths = [bench.store.objects.path(item.sha256) for item in items(bench, found)]
    return [json.loads(line)["text"] for path in paths for line in path.read_text().splitlines()]


PEAK = """
import sys
from pathlib import Path
from schemas.config.remote_sources import SqlSource
from tasks.engine.host import high_water_mark
from tasks.fetch.take import take_look
from tasks.store.store import Store
source = SqlSource.model_validate_json(sys.argv[2])
looked = take_look("db", source, Store.open(Path(sys.argv[1])))
print(looked.items, high_water_mark())
"""


def peak_bytes(folder: Path, found: SqlSource) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), found.model_dump_json()], capture_output=True, text=True, check=True
    )
    chunks, peak = done.stdout.split()
    return int(chunks), int(peak)


@pytest.mark.parametrize("growing", [True, False])
def test_a_server_side_cursor_bounds_memory_on_200000_rows(database: Postgres, tmp_path: Path, growing: bool) -> None:
    settings = {} if growing else {"incremental": None, "mode": "mirror", "query": "SELECT * FROM pages ORDER BY id"}
    fill(database, 2_000)
    _, small = peak_bytes(tmp_path / "small", source(**settings))
    database.execute("TRUNCATE pages")
    fill(database, 200_000)
    held = int(database.execute("SELECT sum(length(text)) FROM pages")[0][0])
    chunks, large = peak_bytes(tmp_path / "large", source(**settings))
    assert chunks == 40
    assert held > 200e6 and large - small < 24 * 2**20, f"{held / 2**20:.0f} MiB read at {(large - small) / 2**20:.1f}"


@pytest.mark.parametrize(
    ("column", "type"), [("id", "bigint"), ("at", "timestamptz"), ("day", "date"), ("id", "numeric")]
)
def test_rows_that_share_the_mark_or_come_late_are_not_missed(
    database: Postgres, tmp_path: Path, column: str, type: str
) -> None:
    database.execute(f"ALTER TABLE pages ALTER COLUMN id TYPE {'numeric' if type == 'numeric' else 'bigint'}")
    late = {"bigint": 2, "numeric": 2, "timestamptz": 2 * 86400, "date": 2}[type]
    found = source(incremental=column, chunk_rows=2, late_by=late)
    bench = Bench(tmp_path)
    added = 0
    for days in ([1, 1, 2], [2, 2, 3], [3, 1, 3], [], [5, 4, 3], [9]):
        for day in days:
            at = f"timestamptz '2026-01-01' + {day} * interval '1 day'"
            database.execute(f"INSERT INTO pages VALUES ({day}, {at}, date '2026-01-01' + {day}, 'row {added}')")
            added += 1
        bench.take_look({"db": found})
    once = Bench(tmp_path / "once")
    once.take_look({"db": found})
    assert items(bench, found) == items(once, found)
    assert sorted(texts(bench, found)) == sorted(f"row {number}" for number in range(added))


def test_a_transaction_that_commits_late_is_within_late_by(database: Postgres, tmp_path: Path) -> None:
    fill(database, 10)
    bench, found = Bench(tmp_path), source(late_by=5, chunk_rows=3)
    with psycopg.connect(database.url) as slow:
        slow.execute("INSERT INTO pages VALUES (10, now(), now(), 'slow')")
        database.execute("INSERT INTO pages VALUES (11, now(), now(), 'quick')")
        bench.take_look({"db": found})
        assert texts(bench, found)[-1] == "quick" and "slow" not in texts(bench, found)
    bench.take_look({"db": found})
    assert texts(bench, found)[-2:] == ["slow", "quick"]


def test_an_outage_holds_or_proceeds_and_loses_nothing(database: Postgres, tmp_path: Path) -> None:
    fill(database, 10)
    bench, sources = Bench(tmp_path), {"db": source(chunk_rows=3)}
    proceeding = {"db": source(chunk_rows=3, when_down="proceed")}
    first = bench.refreshed(sources)
    before = bench.look(sources)
    database.stop()
    try:
        assert bench.take_look(sources)["db"].reason == "unreachable"
        assert "is down (unreachable" in bench.look(sources).held
        on = bench.look(proceeding)
        assert on.detail == before.detail and on.warnings
    finally:
        database.start()
    database.execute("INSERT INTO pages VALUES (10, now(), now(), 'new')")
    assert bench.take_look(sources)["db"].transferred == 1
    assert len(documents(bench.collect(sources, bench.snapshot(sources, first)))) == 11


def test_a_query_that_writes_is_refused(database: Postgres, tmp_path: Path) -> None:
    database.execute("DROP SEQUENCE IF EXISTS counter", "CREATE SEQUENCE counter")
    with pytest.raises(ConfigError, match="read-only"):
        Bench(tmp_path).take_look({"db": source(query="SELECT nextval('counter') AS id, 'x' AS text")})
    with pytest.raises(ConfigError, match="does not exist"):
        Bench(tmp_path).take_look({"db": source(query="SELECT * FROM nowhere")})


def test_rows_with_casts_nulls_and_no_mark(database: Postgres, tmp_path: Path) -> None:
    database.execute(
        "INSERT INTO pages VALUES (1, now(), now(), '一'), (NULL, now(), now(), 'x'), (2, now(), now(), NULL)"
    )
    query = "SELECT id, text::varchar AS text, 'https://example.org/' || id::text AS origin FROM pages"
    bench, sources = Bench(tmp_path), {"db": source(query=query, max_bad_fraction=1)}
    built = bench.collect(sources, bench.refreshed(sources))
    assert [(row["text"], row["origin"]) for row in documents(built)] == [("一", "https://example.org/1")]
    assert quarantine(built) == [("rows-00000000.jsonl", 2, "missing_field"), ("rows-without-mark", 0, "no_mark")]


def test_kill_9_in_the_middle_goes_on_with_what_is_missing(database: Postgres, tmp_path: Path) -> None:
    fill(database, 60_000)
    found = source(chunk_rows=500)
    project = Mini(tmp_path / "project")
    project.folder.mkdir()
    settings = found.model_dump(mode="json", exclude_unset=True)
    data = {"name": "database", "store": "store", "snapshot": {"sources": {"db": settings}}}
    project.config.write_text(yaml.safe_dump(data))
    arguments = ("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "snapshot")
    process = project.start(*arguments)
    while not any((project.store / "work").glob("source-*/journal.jsonl")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    journal = next((project.store / "work").glob("source-*/journal.jsonl")).read_text().count("\n")
    assert 1 <= journal < 120
    said = project.nightmill(*arguments)
    transferred = int(said.split(" of 120 files transferred")[0].rsplit("(", 1)[1])
    assert transferred == 120 - journal
    fresh = Bench(tmp_path / "fresh").refreshed({"db": found})
    assert project.manifest("snapshot")["outputs"]["files"]["files"][0]["digest"] == fresh.digests()["files"][0][1]
    held = [path for path in project.folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert held == [] and PASSWORD not in said
