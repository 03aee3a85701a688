"""What the sources hold, and since when."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from source_stages import Bench, Built

from schemas.config.snapshot import SnapshotConfig
from schemas.config.sources import FilesSource
from schemas.errors import ConfigError
from tasks.engine.sight import StoreSight
from tasks.engine.stage import Look
from tasks.fetch.globs import matches
from tasks.snapshot.look import look
from tasks.snapshot.walk import walk
from tasks.store.store import Store


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def look_at(**sources: FilesSource) -> Look:
    with tempfile.TemporaryDirectory() as folder:
        return look(SnapshotConfig(sources=sources), StoreSight(Store.open(Path(folder), create=False)))


def paths(seen: Look, source: str = "web") -> list[str]:
    return [row[0] for row in seen.detail[source]["files"]]


def rows(built: Built) -> list[dict[str, object]]:
    return [json.loads(line) for line in built.paths("files")[0].read_text(encoding="utf-8").splitlines()]


def test_files_are_listed_by_relative_path_without_hidden_and_unknown_ones(tmp_path: Path) -> None:
    names = ["b.txt", "a/z.md", "a/图.html", "a-b.rst", ".hidden.txt", ".git/x.txt", "a/logo.png", "README"]
    write(tmp_path, dict.fromkeys(names, "x"))
    assert paths(look_at(web=FilesSource(path=tmp_path))) == ["a-b.rst", "a/z.md", "a/图.html", "b.txt"]


def test_two_folders_with_the_same_bytes_look_the_same(tmp_path: Path) -> None:
    files = {"a/1.txt": "one", "b.jsonl": "{}"}
    first = look_at(web=FilesSource(path=write(tmp_path / "x", files)))
    second = look_at(web=FilesSource(path=write(tmp_path / "deep/y", dict(reversed(files.items())))))
    assert first == second
    assert str(tmp_path) not in json.dumps([first.identity, first.detail])


@pytest.mark.parametrize("change", ["edit", "add", "remove", "rename", "licence", "metadata"])
def test_every_change_of_content_changes_the_identity(tmp_path: Path, change: str) -> None:
    write(tmp_path, {"a.txt": "a", "b.txt": "b", "facts.jsonl": '{"path": "a.txt", "licence": "MIT"}'})
    source = FilesSource(path=tmp_path, metadata="facts.jsonl")
    before = look_at(web=source).identity
    match change:
        case "edit":
            write(tmp_path, {"a.txt": "c"})
        case "add":
            write(tmp_path, {"c.txt": "c"})
        case "remove":
            (tmp_path / "b.txt").unlink()
        case "rename":
            (tmp_path / "b.txt").rename(tmp_path / "d.txt")
        case "licence":
            source = FilesSource(path=tmp_path, metadata="facts.jsonl", licence="MIT")
        case "metadata":
            write(tmp_path, {"facts.jsonl": '{"path": "a.txt", "licence": "BSD-3-Clause"}'})
    assert look_at(web=source).identity != before


def test_a_directory_loop_is_walked_once_and_named(tmp_path: Path) -> None:
    write(tmp_path, {"a/b/one.txt": "1"})
    (tmp_path / "a/b/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a/again").symlink_to(tmp_path / "a/b", target_is_directory=True)
    found = walk(tmp_path)
    assert found.files == ["a/b/one.txt"]
    assert found.skipped == [
        "a/again: the same folder as a/b, read once",
        "a/b/up: the same folder as the whole source, read once",
    ]
    built = Bench(tmp_path / "bench").snapshot({"web": FilesSource(path=tmp_path / "a/b", follow_links=True)})
    assert built.result.warnings == [f"web/{line}" for line in walk(tmp_path / "a/b", follow_links=True).skipped]
    assert len(built.result.warnings) == 2


def test_links_that_lead_outside_are_set_aside_unless_they_are_to_be_followed(tmp_path: Path) -> None:
    write(tmp_path, {"outside/one.txt": "1", "source/two.txt": "2", "source-too/three.txt": "3"})
    for link in ("y", "x"):
        (tmp_path / "source" / link).symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "source/file.txt").symlink_to(tmp_path / "source-too/three.txt")
    (tmp_path / "source/logo.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "source/inside.txt").symlink_to(tmp_path / "source/../source/two.txt")
    found = walk(tmp_path / "source", follow_links=True)
    assert found.files == ["file.txt", "inside.txt", "logo.png", "two.txt", "x/one.txt"] and found.outside == []
    found = walk(tmp_path / "source")
    assert found.files == ["inside.txt", "two.txt"] and found.outside == ["file.txt", "logo.png", "x/", "y/"]
    faults = [row for row in look_at(web=FilesSource(path=tmp_path / "source")).detail["web"]["files"] if row[6]]
    assert [(row[0], row[1], row[6]) for row in faults] == [
        (name, "", "link_outside") for name in ("file.txt", "x", "y")
    ]


def test_a_link_that_leads_nowhere_is_kept_to_be_quarantined(tmp_path: Path) -> None:
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    assert look_at(web=FilesSource(path=tmp_path)).detail["web"]["files"] == [
        ["gone.txt", "", 0, "", "web", "text", "unreadable"]
    ]


def test_a_file_name_that_is_not_utf8_is_named_in_a_warning(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode("文.txt".encode("gb18030"))).write_text("x")
    found = walk(tmp_path)
    assert found.files == []
    assert "not UTF-8" in found.skipped[0]


def test_globs_choose_files() -> None:
    assert matches("a/b/c.md", "**/*.md") and matches("c.md", "**/*.md") and matches("a/b/c.md", "a/**")
    assert matches("docs/x/y/z.txt", "docs/**/z.txt") and matches("docs/z.txt", "docs/**/z.txt")
    assert not matches("a/b/c.md", "*.md") and not matches("docs.txt", "docs/**") and not matches("a/b.md", "a/?/*")


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    write(tmp_path, {"one.jsonl": "{}", "two.jsonl": "{}"})
    assert paths(look_at(web=FilesSource(path=tmp_path / "one.jsonl"))) == ["one.jsonl"]


def test_metadata_give_licence_and_origin_and_are_no_document(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.txt": "a",
            "b.txt": "b",
            "facts.jsonl": '{"path": "a.txt", "licence": "MIT", "origin": "pkg 1.0", "x": 1}\n',
        },
    )
    seen = look_at(web=FilesSource(path=tmp_path, metadata="facts.jsonl", licence="CC0-1.0"))
    facts = [(row[0], row[3], row[4]) for row in seen.detail["web"]["files"]]
    assert facts == [("a.txt", "MIT", "pkg 1.0"), ("b.txt", "CC0-1.0", "web")]


def test_bad_metadata_lines_are_all_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"facts.jsonl": '{"path": "a"}\nnot json\n{"licence": "MIT"}\n{"path": "a"}\n{"path": "b", "origin": 3}'},
    )
    with pytest.raises(ConfigError) as error:
        look_at(web=FilesSource(path=tmp_path, metadata="facts.jsonl"))
    assert [detail.split(":")[0] for detail in error.value.details] == ["line 2", "line 3", "line 4", "line 5"]


def test_missing_sources_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere") as error:
        look_at(web=FilesSource(path=tmp_path / "nowhere"), books=FilesSource(path=tmp_path / "neither"))
    assert len(error.value.details) == 2 and error.value.hint
    with pytest.raises(ConfigError, match="not there"):
        look_at(web=FilesSource(path=tmp_path / "nowhere"))


def test_files_keep_the_date_on_which_they_were_first_seen_and_have_that_of_their_bytes(tmp_path: Path) -> None:
    bench, folder = Bench(tmp_path / "bench"), write(tmp_path / "web", {"a.txt": "a", "b.txt": "b", "z.txt": "z"})
    sources = {"web": FilesSource(path=folder, licence="MIT")}
    first = bench.snapshot(sources, date="2026-01-01")
    write(folder, {"b.txt": "changed", "c.txt": "new"})
    (folder / "z.txt").unlink()
    second = bench.snapshot(sources, before=first, date="2026-01-02")
    assert [(row["path"], row["first_seen"], row["last_changed"]) for row in rows(second)] == [
        ("a.txt", "2026-01-01", "2026-01-01"),
        ("b.txt", "2026-01-01", "2026-01-02"),
        ("c.txt", "2026-01-02", "2026-01-02"),
    ]
    write(folder, {"a.txt": "again"})
    third = bench.snapshot(sources, before=second, date="2026-01-03")
    assert [row["last_changed"] for row in rows(third)] == ["2026-01-03", "2026-01-02", "2026-01-02"]
    assert {name: second.metrics[name] for name in ("new", "changed", "removed", "rows_out")} == {
        "new": 1,
        "changed": 1,
        "removed": 1,
        "rows_out": 3,
    }


def test_the_ledger_is_the_same_bytes_in_another_folder_and_store(tmp_path: Path) -> None:
    built = []
    for place in ("x", "y"):
        folder = write(tmp_path / place / "web", {"图/一.txt": "一", "b.md": "b"})
        built.append(Bench(tmp_path / place).snapshot({"web": FilesSource(path=folder, language="zh")}))
    assert built[0].digests() == built[1].digests()
    assert rows(built[0])[0] == {
        "source": "web",
        "path": "b.md",
        "sha256": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
        "size": 1,
        "licence": "",
        "origin": "web",
        "language": "zh",
        "format": "markdown",
        "first_seen": "2026-01-01",
        "last_changed": "2026-01-01",
        "stored": False,
        "fault": "",
    }


def test_where_a_source_lies_is_not_part_of_its_identity(tmp_path: Path) -> None:
    here, there = (SnapshotConfig(sources={"web": FilesSource(path=tmp_path / name)}) for name in ("x", "y"))
    assert here.identity() == there.identity()
    assert str(tmp_path) not in json.dumps(here.identity())
