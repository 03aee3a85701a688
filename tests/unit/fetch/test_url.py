"""Files at a URL: what is transferred when, and what becomes of a bucket that changes, refuses or is not there."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest
from s3_server import S3, SECRET
from source_stages import Bench, documents, ledger, quarantine

from schemas.config.remote_sources import UrlSource
from schemas.errors import ConfigError
from tasks.fetch.take import Looked


def test_only_what_changed_is_transferred(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source()}
    s3.put(a="one", b="二", c="three")
    first = bench.refreshed(sources)
    assert sorted(s3.fetched) == ["a.txt", "b.txt", "c.txt"]
    s3.fetched.clear()
    assert bench.take_look(sources)["web"] == Looked("done", items=3)
    assert s3.fetched == []
    s3.put(b="二二")
    s3.delete("c")
    second = bench.refreshed(sources, first, day=2)
    assert s3.fetched == ["b.txt"]
    assert [(row["path"], row["first_seen"], row["stored"]) for row in ledger(second)] == [
        ("a.txt", "2026-01-01", True),
        ("b.txt", "2026-01-01", True),
    ]
    found = [(row["path"], row["text"], row["origin"]) for row in documents(bench.collect(sources, second))]
    assert found == [("a.txt", "one", "s3://texts/corpus/a.txt"), ("b.txt", "二二", "s3://texts/corpus/b.txt")]


def test_a_look_that_finds_nothing_new_gives_back_the_same_digest(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source()}
    s3.put(a="one")
    bench.take_look(sources)
    before = bench.look(sources)
    bench.take_look(sources, "2026-03-01T00:00:00")
    assert bench.look(sources) == before


def test_what_left_a_bucket_is_kept_where_it_is_accumulated(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source(mode="accumulate")}
    s3.put(a="one", b="two")
    first = bench.refreshed(sources)
    s3.delete("a")
    s3.put(c="three")
    second = bench.refreshed(sources, first, 2)
    assert [row["text"] for row in documents(bench.collect(sources, second))] == ["one", "two", "three"]


def test_an_object_that_may_not_be_read_is_quarantined_and_its_earlier_state_stands(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source(max_bad_fraction=0.5)}
    s3.put(a="one", b="two", c="three")
    s3.forbidden = {"a.txt"}
    first = bench.refreshed(sources)
    assert quarantine(bench.collect(sources, first)) == [("a.txt", 0, "forbidden")]
    s3.put(b="two, changed")
    s3.forbidden = {"a.txt", "b.txt"}
    second = bench.refreshed(sources, first, 2)
    built = bench.collect(sources, second)
    assert [row["text"] for row in documents(built)] == ["two", "three"]
    assert bench.look(sources).warnings == (
        "web: 1 files could not be had; what they held before stands (forbidden 1)",
    )
    s3.forbidden = set()
    third = bench.collect(sources, bench.refreshed(sources, second, 3))
    assert [row["text"] for row in documents(third)] == ["one", "two, changed", "three"]


def test_an_outage_in_the_middle_loses_nothing_and_the_next_look_fetches_the_rest(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source()}
    names = [f"n{number:02}" for number in range(30)]
    s3.put(**{name: f"text {name}" for name in names})
    s3.down_after = 11
    looked = bench.take_look(sources)["web"]
    assert (looked.outcome, looked.reason) == ("down", "unreachable")
    assert "is down" in bench.look(sources).held
    s3.down_after = None
    had = set(s3.fetched)
    s3.fetched.clear()
    found = bench.refreshed(sources)
    assert len(had) == 11 and set(s3.fetched) == {f"{name}.txt" for name in names} - had
    assert len(ledger(found)) == 30
    fresh = Bench(tmp_path / "fresh").refreshed(sources)
    assert fresh.digests() == found.digests()
    assert not any((bench.store.root / "work").glob("source-*"))


def test_a_source_that_is_down_holds_or_proceeds_until_it_is_stale(tmp_path: Path, s3: S3) -> None:
    bench = Bench(tmp_path)
    s3.put(a="one")
    holding, proceeding = s3.source(), s3.source(when_down="proceed", max_staleness_days=3)
    bench.take_look({"web": holding}, "2026-01-01T00:00:00")
    before = bench.look({"web": proceeding})
    s3.delete("a")
    assert bench.take_look({"web": holding}, "2026-01-03T00:00:00")["web"].outcome == "down"
    held = bench.look({"web": holding})
    assert held.held.startswith("the source 'web' is down (not_there") and "2026-01-01" in held.held and held.hint
    on = bench.look({"web": proceeding})
    assert (on.identity, on.detail, on.held) == (before.identity, before.detail, "")
    assert "2.0 days ago" in on.warnings[0]
    bench.take_look({"web": holding}, "2026-01-05T00:00:00")
    assert "max_staleness_days" in bench.look({"web": proceeding}).held


def test_a_server_that_is_not_there_is_down_and_loses_nothing_of_others(tmp_path: Path, s3: S3) -> None:
    s3.put(a="one")
    gone = s3.source(options={**s3.source().options, "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}})
    bench = Bench(tmp_path)
    looked = bench.take_look({"gone": gone, "web": s3.source()})
    assert (looked["gone"].outcome, looked["gone"].reason) == ("down", "unreachable")
    assert looked["web"] == Looked("done", items=1, transferred=1)
    assert bench.look({"web": s3.source()}).detail is not None


def test_a_bucket_that_is_suddenly_empty_counts_as_down(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    bench, source = Bench(tmp_path), UrlSource(type="url", url=f"file://{folder}")
    bench.take_look({"web": source})
    (folder / "a.txt").unlink()
    assert bench.take_look({"web": source})["web"].reason == "empty"
    folder.rmdir()
    assert bench.take_look({"web": source})["web"].reason == "not_there"


def test_hidden_unknown_and_unwanted_files_are_left_out_and_large_ones_quarantined(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    for name in ("a.txt", ".hidden.txt", ".git/b.txt", "logo.png", "deep/er/c.md", "deep/large.md", "图/文.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x" * (100 if "large" in name else 10))
    (folder / os.fsdecode("文.txt".encode("gb18030"))).write_text("x")
    bench = Bench(tmp_path)
    built = bench.refreshed({"web": UrlSource(type="url", url=f"file://{folder}", max_transfer_bytes=50)})
    assert [(row["path"], row["fault"]) for row in ledger(built)] == [
        ("a.txt", ""),
        ("deep/er/c.md", ""),
        ("deep/large.md", "too_large"),
        ("unusable-name-d90d8ed7221bcae3", "unusable_name"),
        ("图/文.txt", ""),
    ]
    one = bench.refreshed({"web": UrlSource(type="url", url=f"file://{folder}", glob="a*.txt")})
    assert [row["path"] for row in ledger(one)] == ["a.txt"]
    single = bench.refreshed({"web": UrlSource(type="url", url=f"file://{folder}/a.txt")})
    assert [(row["path"], row["origin"]) for row in ledger(single)] == [("a.txt", "web")]


def test_objects_that_the_store_lost_are_due_and_fetched_again(tmp_path: Path, s3: S3) -> None:
    bench, sources = Bench(tmp_path), {"web": s3.source()}
    s3.put(a="one", b="two")
    lost = ledger(bench.refreshed(sources))[0]
    bench.store.objects.discard(lost["sha256"])
    assert Bench(tmp_path).look(sources).pending == "1 files of the source 'web' are gone from the store"
    s3.fetched.clear()
    bench.take_look(sources)
    assert s3.fetched == ["a.txt"] and bench.look(sources).pending == ""


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"url": "nosuch://bucket/x", "options": {}}, "nosuch:// cannot be opened"),
        ({"options": {"secret": "env:NIGHTMILL_NOT_SET"}}, "env:NIGHTMILL_NOT_SET holds nothing"),
    ],
)
def test_settings_that_cannot_be_used_are_no_outage(
    tmp_path: Path, s3: S3, settings: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        Bench(tmp_path).take_look({"web": s3.source(**settings)})


def test_the_secret_is_nowhere_in_the_store(tmp_path: Path, s3: S3) -> None:
    s3.put(a="one", b="two")
    s3.forbidden = {"b.txt"}
    bench, sources = Bench(tmp_path), {"web": s3.source(max_bad_fraction=1)}
    bench.collect(sources, bench.refreshed(sources))
    s3.down_after = 0
    s3.put(a="changed")
    bench.take_look(sources)
    written = [path for path in bench.store.root.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_another_choice_of_files_does_not_transfer_again_what_is_there(tmp_path: Path, s3: S3) -> None:
    bench = Bench(tmp_path)
    s3.put(a="one", b="two", c="three")
    bench.take_look({"web": s3.source(glob="[ab].txt")})
    assert "never looked at" in bench.look({"web": s3.source()}).pending
    bench.take_look({"web": s3.source()})
    assert sorted(s3.fetched) == ["a.txt", "b.txt", "c.txt"]
    assert [row[0] for row in bench.look({"web": s3.source()}).detail["web"]["files"]] == ["a.txt", "b.txt", "c.txt"]
    assert [row[0] for row in bench.look({"web": s3.source(glob="[ab].txt")}).detail["web"]["files"]] == [
        "a.txt",
        "b.txt",
    ]


def test_compressed_files_and_archives_are_read_out_of_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress("压缩".encode()))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "line"}\n'))
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        archive.writestr("inner/d.md", "# member")
    bench, sources = Bench(tmp_path), {"web": UrlSource(type="url", url=f"file://{folder}", licence="MIT")}
    found = documents(bench.collect(sources, bench.refreshed(sources)))
    assert [(row["path"], row["text"]) for row in found] == [
        ("a.txt.gz", "压缩"),
        ("b.jsonl.gz", "line"),
        ("c.zip!/inner/d.md", "# member"),
    ]
