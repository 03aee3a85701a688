"""`mirror` and `accumulate`: what becomes of documents that left a folder, after any sequence of edits."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_stages import Bench, Built, documents, ledger, quarantine

from schemas.config.sources import FilesSource
from schemas.errors import DamagedArtifact

NAMES = ("a.txt", "b.txt", "c/d.txt")
states = st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("one", "二", "three"))), max_size=4)


def set_folder(root: Path, files: dict[str, str]) -> None:
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in files:
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink(missing_ok=True)


def texts(built: Built) -> dict[str, str]:
    return {row["path"]: row["text"] for row in documents(built)}


@settings(max_examples=6, deadline=None)
@given(states)
def test_any_sequence_of_edits_leaves_what_the_mode_says(history: list[dict[str, str]]) -> None:
    history = [{"a.txt": "always"}, *history, {"b.txt": "the last"}]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "web"
        bench = Bench(Path(folder))
        kept = FilesSource(path=root, licence="MIT", mode="accumulate")
        mirrored = kept.model_copy(update={"mode": "mirror"})
        before: dict[str, Built | None] = {"accumulate": None, "mirror": None}
        everything: dict[str, str] = {}
        first_seen: dict[str, str] = {}
        for day, files in enumerate(history, start=1):
            set_folder(root, files)
            everything |= files
            for name in files:
                first_seen.setdefault(name, f"2026-01-{day:02}")
            for source in (kept, mirrored):
                before[source.mode] = bench.refreshed({"web": source}, before[source.mode], day)
        accumulated, mirror = before["accumulate"], before["mirror"]
        assert accumulated is not None and mirror is not None
        assert {row["path"]: row["first_seen"] for row in ledger(accumulated)} == first_seen
        assert [row["path"] for row in ledger(mirror)] == sorted(history[-1])
        assert texts(bench.collect({"web": kept}, accumulated)) == everything
        assert texts(bench.collect({"web": mirrored}, mirror)) == history[-1]


def test_what_is_accumulated_is_read_from_the_store_and_not_copied_twice(tmp_path: Path) -> None:
    bench, root = Bench(tmp_path), tmp_path / "web"
    set_folder(root, {"a.txt": "one", "b.txt": "二"})
    sources = {"web": FilesSource(path=root, licence="MIT", mode="accumulate")}
    first = bench.refreshed(sources)
    assert {row["stored"] for row in ledger(first)} == {True}
    objects = {row["path"]: bench.store.objects.path(row["sha256"]) for row in ledger(first)}
    inode = objects["a.txt"].stat().st_ino
    assert inode != (root / "a.txt").stat().st_ino, "an edit in the folder must not reach the store"
    (root / "b.txt").unlink()
    second = bench.refreshed(sources, first, day=2)
    assert objects["a.txt"].stat().st_ino == inode
    assert second.metrics["accumulated"] == 1
    (root / "a.txt").unlink()
    assert texts(bench.collect(sources, second)) == {"a.txt": "one", "b.txt": "二"}


def test_a_file_that_cannot_be_read_any_more_stays_where_it_is_accumulated(tmp_path: Path) -> None:
    bench, root = Bench(tmp_path), tmp_path / "web"
    set_folder(root, {"a.txt": "one"})
    sources = {"web": FilesSource(path=root, licence="MIT", mode="accumulate")}
    first = bench.refreshed(sources)
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to(root / "nowhere")
    assert [(row["path"], row["fault"]) for row in ledger(bench.refreshed(sources, first, 2))] == [("a.txt", "")]


def test_accumulated_bytes_that_the_store_lost_are_told_and_then_set_aside(tmp_path: Path) -> None:
    bench, root = Bench(tmp_path), tmp_path / "web"
    set_folder(root, {"a.txt": "one", "b.txt": "two"})
    sources = {"web": FilesSource(path=root, licence="MIT", mode="accumulate", max_bad_fraction=1)}
    first = bench.refreshed(sources)
    (root / "a.txt").unlink()
    second = bench.refreshed(sources, first, 2)
    for row in ledger(second):
        bench.store.objects.discard(row["sha256"])
    with pytest.raises(DamagedArtifact) as error:
        bench.collect(sources, second)
    assert "--force snapshot" in error.value.hint
    third = bench.refreshed(sources, second, 3)
    fourth = bench.refreshed(sources, third, 4)
    assert third.result.warnings[0].startswith("web/a.txt: it left its source")
    assert [(row["path"], row["fault"]) for row in ledger(fourth)] == [("a.txt", "lost"), ("b.txt", "")]
    built = bench.collect(sources, fourth)
    assert quarantine(built) == [("a.txt", 0, "lost")] and texts(built) == {"b.txt": "two"}


@pytest.mark.parametrize("limit", [1, 37, 1000])
def test_a_limit_takes_the_first_documents_in_order_of_their_paths(tmp_path: Path, limit: int) -> None:
    for name in ("web", "books"):
        for number in range(60):
            path = tmp_path / name / f"{number:02}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{name} {number} " + "x" * 700)
    bench = Bench(tmp_path)
    sources = {
        "web": FilesSource(path=tmp_path / "web", licence="MIT", limit=limit),
        "books": FilesSource(path=tmp_path / "books", licence="MIT"),
    }
    built = bench.collect(sources, part_bytes=8000)
    found = [row["path"] for row in documents(built) if row["source"] == "web"]
    assert found == [f"{number:02}.txt" for number in range(min(limit, 60))]
    assert built.metrics["documents"] == {"books": 60, "web": min(limit, 60)}
    assert sum(row["source"] == "books" for row in documents(built)) == 60


def test_a_small_limit_reads_few_parts(tmp_path: Path) -> None:
    for number in range(200):
        path = tmp_path / "web" / f"{number:03}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number} " + "x" * 700)
    source = FilesSource(path=tmp_path / "web", licence="MIT", limit=5)
    built = Bench(tmp_path).collect({"web": source}, part_bytes=8000)
    assert built.metrics["rows_out"] == 5
    assert built.metrics["parts"]["total"] <= 4
