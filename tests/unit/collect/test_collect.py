"""Files to documents: every format, every kind of bad input, and what one more file costs."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import tar_archive, warc_record, wiki_dump, wiki_page, zip_archive
from source_stages import Bench, documents, quarantine

from schemas.config.sources import FilesSource
from schemas.errors import BadInputError, StageFailed
from tasks.readers.identity import document_id

CHINESE = "中文的文本和英文的一样重要，我们不把它当作第二种语言。"


def jsonl(*records: object) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def source(root: Path, **settings: object) -> dict[str, FilesSource]:
    return {"web": FilesSource.model_validate({"path": root, "licence": "MIT", "max_bad_fraction": 1, **settings})}


def texts(root: Path, **settings: object) -> list[str]:
    return [row["text"] for row in documents(Bench(root.parent / "bench").collect(source(root, **settings)))]


def test_every_format_becomes_documents(tmp_path: Path) -> None:
    parquet = tmp_path / "web/t.parquet"
    parquet.parent.mkdir()
    pq.write_table(pa.table({"text": ["eins", "zwei"], "origin": ["book", None], "x": [1, 2]}), parquet)
    write(
        tmp_path / "web",
        {
            "a.txt": "plain",
            "b.md": "# mark",
            "c.rst": "rest\n====",
            "d.html": "<p>raw</p>",
            "e.jsonl": jsonl({"text": "one"}, {"text": CHINESE, "licence": "CC0-1.0", "origin": "here"}),
            "f.jsonl.gz": gzip.compress(jsonl({"text": "zipped"})),
            "g.txt.gz": gzip.compress(CHINESE.encode()),
        },
    )
    built = Bench(tmp_path).collect(source(tmp_path / "web"))
    found = [
        tuple(row[c] for c in ("path", "offset", "format", "licence", "origin", "text")) for row in documents(built)
    ]
    assert found == [
        ("a.txt", 0, "text", "MIT", "web", "plain"),
        ("b.md", 0, "markdown", "MIT", "web", "# mark"),
        ("c.rst", 0, "rst", "MIT", "web", "rest\n===="),
        ("d.html", 0, "html", "MIT", "web", "<p>raw</p>"),
        ("e.jsonl", 0, "text", "MIT", "web", "one"),
        ("e.jsonl", 1, "text", "CC0-1.0", "here", CHINESE),
        ("f.jsonl.gz", 0, "text", "MIT", "web", "zipped"),
        ("g.txt.gz", 0, "text", "MIT", "web", CHINESE),
        ("t.parquet", 0, "text", "MIT", "book", "eins"),
        ("t.parquet", 1, "text", "MIT", "web", "zwei"),
    ]
    assert built.metrics["rows_in"] == 8
    assert built.metrics["rows_out"] == 10
    assert built.metrics["documents"] == {"web": 10}
    assert built.metrics["quarantined"] == {}
    assert quarantine(built) == []


def test_archives_web_archives_and_dumps_become_documents_with_their_locators(tmp_path: Path) -> None:
    records = [
        warc_record("https://example.org/a", b"<p>a page</p>"),
        warc_record("https://example.org/b", b"", media="image/png"),
    ]
    pages = [wiki_page("甲", "'''甲'''是[[乙]]"), wiki_page("丙", "x", redirect=True)]
    root = write(
        tmp_path / "web",
        {
            "a/books.zip": zip_archive({"en/one.txt": b"one", "../two.txt": b"evil", "zh/三.txt": CHINESE.encode()}),
            "b.tar.xz": lzma.compress(tar_archive({"rows.jsonl": jsonl({"text": "first"}, {"text": 7})})),
            "c.csv.bz2": bz2.compress(b"text,licence\ncell,CC0-1.0\n"),
            "d.warc.gz": b"".join(map(gzip.compress, records)),
            "zhwiki-1-pages-articles.xml.bz2": bz2.compress(wiki_dump(*pages)),
        },
    )
    built = Bench(tmp_path).collect(source(root))
    columns = ("path", "offset", "format", "licence", "origin", "date", "text")
    address = "https://zh.wikipedia.org/wiki/%E7%94%B2"
    assert [tuple(row[column] for column in columns) for row in documents(built)] == [
        ("a/books.zip!/en/one.txt", 0, "text", "MIT", "web", "", "one"),
        ("a/books.zip!/zh/三.txt", 0, "text", "MIT", "web", "", CHINESE),
        ("b.tar.xz!/rows.jsonl", 0, "text", "MIT", "web", "", "first"),
        ("c.csv.bz2", 1, "text", "CC0-1.0", "web", "", "cell"),
        ("d.warc.gz", 0, "html", "MIT", "https://example.org/a", "2026-01-01T00:00:00Z", "<p>a page</p>"),
        ("zhwiki-1-pages-articles.xml.bz2", 0, "text", "MIT", address, "2026-01-02T03:04:05Z", "甲是乙"),
    ]
    assert quarantine(built) == [
        ("a/books.zip!/../two.txt", 0, "unsafe_name"),
        ("b.tar.xz!/rows.jsonl", 2, "not_a_text"),
    ]
    assert built.metrics["skipped"] == {"web": {"content_type": 1, "redirect": 1}}


def test_encodings_that_chinese_users_have_are_read(tmp_path: Path) -> None:
    record = json.dumps({"text": CHINESE}, ensure_ascii=False) + "\n"
    root = write(
        tmp_path / "web",
        {
            "a.txt": CHINESE.encode("gb18030"),
            "b.txt": CHINESE.encode("utf-16"),
            "c.txt": b"\xef\xbb\xbf" + CHINESE.encode(),
            "d.jsonl": (record * 3).encode("gb18030"),
            "e.jsonl": (record * 3).encode("utf-16"),
            "f.jsonl": b"\xef\xbb\xbf" + record.encode(),
        },
    )
    assert texts(root) == [CHINESE] * 10


def test_bad_input_is_quarantined_with_file_and_line_and_the_run_goes_on(tmp_path: Path) -> None:
    lines = [
        b'{"text": "kept"}',
        b"not json",
        b'{"text": 7}',
        b'{"other": "x"}',
        b'["text"]',
        b'{"text": "caf\xe9"}',
        b'{"text": "  "}',
        b"",
        b'{"text": "' + b"x" * 3000 + b'"}',
        b'{"text": "\\ud800"}',
        b'{"text": "kept too"}',
    ]
    (tmp_path / "web").mkdir()
    (tmp_path / "web/gone.txt").symlink_to(tmp_path / "web/nowhere")
    (tmp_path / "web/out.txt").symlink_to("/etc/hostname")
    (tmp_path / "web/outside").symlink_to("/etc", target_is_directory=True)
    root = write(
        tmp_path / "web",
        {
            "bad.jsonl": b"\n".join(lines),
            "empty.txt": "",
            "mixed.txt": b"first line\n" + CHINESE.encode() + b"\ncaf\xe9\n",
            "long.txt": "x" * 3000,
            "broken.txt.gz": gzip.compress(b"half a document")[:-12],
            "broken.jsonl.gz": b"no gzip at all",
            "broken.parquet": b"PAR1 no parquet PAR1",
        },
    )
    pq.write_table(pa.table({"content": ["x"]}), root / "column.parquet")
    built = Bench(tmp_path).collect(source(root, max_record_bytes=2000))
    assert [(row["offset"], row["text"]) for row in documents(built)] == [(0, "kept"), (10, "kept too")]
    assert quarantine(built) == [
        ("bad.jsonl", 2, "not_json"),
        ("bad.jsonl", 3, "not_a_text"),
        ("bad.jsonl", 4, "missing_field"),
        ("bad.jsonl", 5, "not_an_object"),
        ("bad.jsonl", 6, "invalid_utf8"),
        ("bad.jsonl", 7, "empty"),
        ("bad.jsonl", 9, "line_too_long"),
        ("bad.jsonl", 10, "not_json"),
        ("broken.jsonl.gz", 1, "broken_gzip"),
        ("broken.parquet", 0, "broken_parquet"),
        ("broken.txt.gz", 0, "broken_gzip"),
        ("column.parquet", 0, "missing_column"),
        ("empty.txt", 0, "empty"),
        ("gone.txt", 0, "unreadable"),
        ("long.txt", 0, "file_too_large"),
        ("mixed.txt", 3, "invalid_utf8"),
        ("out.txt", 0, "link_outside"),
        ("outside", 0, "link_outside"),
    ]
    assert built.metrics["quarantined"]["web"]["not_json"] == 2
    assert built.metrics["documents"] == {"web": 2}
    assert built.result.warnings[0].startswith("web: 18 of 20 records quarantined (broken_gzip 2, ")


def test_of_a_gzip_file_that_breaks_off_the_whole_lines_before_stay(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(jsonl({"text": f"line {number} {number**7}"}) for number in range(5000)))
    root = write(tmp_path / "web", {"a.jsonl.gz": whole[: len(whole) // 2]})
    built = Bench(tmp_path).collect(source(root))
    kept = documents(built)
    assert 500 < len(kept) < 4500
    assert [row["text"].split()[1] for row in kept] == [str(number) for number in range(len(kept))]
    assert quarantine(built) == [("a.jsonl.gz", len(kept) + 1, "broken_gzip")]


def test_rows_of_parquet_are_numbered_across_row_groups_and_nulls_are_faults(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    table = pa.table({"body": pa.array([f"text {n}" if n % 100 else None for n in range(1000)])})
    pq.write_table(table, tmp_path / "web/t.parquet", row_group_size=300)
    built = Bench(tmp_path).collect(source(tmp_path / "web", text_field="body"))
    assert [row["offset"] for row in documents(built)] == [n for n in range(1000) if n % 100]
    assert quarantine(built) == [("t.parquet", n + 1, "missing_field") for n in range(0, 1000, 100)]


def test_more_bad_input_than_allowed_stops_with_the_list(tmp_path: Path) -> None:
    lines = [b'{"text": "good"}'] * 60 + [b"bad"] * 40
    root = write(tmp_path / "web", {"a.jsonl": b"\n".join(lines)})
    bench = Bench(tmp_path)
    bench.collect(source(root, max_bad_fraction=0.4))
    with pytest.raises(BadInputError) as error:
        bench.collect(source(root, max_bad_fraction=0.39))
    assert error.value.details[0] == "web: 40 of 100 records (40.0%, 39.0% allowed)"
    assert error.value.details[1].startswith("web/a.jsonl:61: not_json (")
    assert error.value.details[-1] == "and 20 more in web"
    assert "max_bad_fraction" in error.value.hint


def test_documents_without_a_licence_are_set_aside_unless_that_is_said_to_be_meant(tmp_path: Path) -> None:
    root = write(tmp_path / "web", {"a.jsonl": jsonl({"text": "free", "licence": "CC0-1.0"}, {"text": "unclear"})})
    bench = Bench(tmp_path)
    assert quarantine(bench.collect(source(root, licence=None))) == [("a.jsonl", 2, "no_licence")]
    assert [row["licence"] for row in documents(bench.collect(source(root, licence="unknown")))] == [
        "CC0-1.0",
        "unknown",
    ]
    with pytest.raises(BadInputError) as error:
        bench.collect(source(root, licence=None, max_bad_fraction=0.05))
    assert "licence: unknown" in error.value.hint


def test_sources_without_a_document_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    with pytest.raises(BadInputError, match="no document"):
        Bench(tmp_path).collect(source(tmp_path / "web"))


@pytest.mark.parametrize("name", ["a.txt", "b.jsonl", "c.parquet"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_changed_after_the_snapshot_is_not_read(tmp_path: Path, name: str, gone: bool) -> None:
    root = write(tmp_path / "web", {"a.txt": "text", "b.jsonl": jsonl({"text": "x"})})
    pq.write_table(pa.table({"text": ["x"]}), root / "c.parquet")
    bench = Bench(tmp_path)
    seen = bench.snapshot(source(root))
    if gone:
        (root / name).unlink()
    else:
        (root / name).write_bytes((root / name).read_bytes() + b"\n")
    with pytest.raises(StageFailed, match=f"web/{name}.*changed since it was looked at") as error:
        bench.collect(source(root), seen)
    assert "run again" in error.value.hint


def many_files(root: Path, count: int = 400) -> Path:
    return write(
        root, {f"{number % 7}/{number:04}.txt": f"{number} " * (number * 37 % 400) + "." for number in range(count)}
    )


@pytest.mark.parametrize("edit", ["add", "change", "remove"])
def test_one_file_more_or_less_redoes_a_handful_of_parts(tmp_path: Path, edit: str) -> None:
    bench, root = Bench(tmp_path), many_files(tmp_path / "web")
    first = bench.collect(source(root), part_bytes=20_000)
    assert first.metrics["parts"]["reused"] == 0
    assert first.metrics["parts"]["total"] > 25
    match edit:
        case "add":
            write(root, {"3/0100-new.txt": "a new document"})
        case "change":
            write(root, {"3/0101.txt": "another text"})
        case "remove":
            (root / "3/0101.txt").unlink()
    second = bench.collect(source(root), part_bytes=20_000)
    counts = second.metrics["parts"]
    assert 1 <= counts["total"] - counts["reused"] <= 4
    fresh = Bench(tmp_path / "fresh").collect(source(root), part_bytes=20_000)
    assert second.digests() == fresh.digests()


def test_what_a_night_brings_redoes_no_older_part_wherever_it_lies(tmp_path: Path) -> None:
    bench, root = Bench(tmp_path), many_files(tmp_path / "web")
    first_night = bench.snapshot(source(root))
    before = bench.collect(source(root), first_night, part_bytes=20_000)
    write(root, {f"{number % 7}/{number:04}-new.txt": f"new {number}" for number in range(0, 400, 9)})
    second_night = bench.snapshot(source(root), first_night, date="2026-01-02")
    after = bench.collect(source(root), second_night, part_bytes=20_000)
    assert after.metrics["parts"]["reused"] == before.metrics["parts"]["total"]
    new = [file.name for file in after.result.outputs["documents"] if "2026-01-02" in file.name]
    names = [file.name for file in after.result.outputs["documents"]]
    assert new and names[-len(new) :] == new


def test_other_bytes_of_a_file_alter_no_row_of_the_documents_that_stay(tmp_path: Path) -> None:
    bench, root = Bench(tmp_path), tmp_path / "web"
    records = [{"text": f"record {number}"} for number in range(50)]
    write(root, {"all.jsonl": jsonl(*records)})
    first_night = bench.snapshot(source(root))
    before = bench.collect(source(root), first_night)
    write(root, {"all.jsonl": jsonl(*records).replace(b'": "', b'":  "')})
    second_night = bench.snapshot(source(root), first_night, date="2026-01-02")
    assert second_night.digests() != first_night.digests()
    assert bench.collect(source(root), second_night).digests() == before.digests()
    write(root, {"all.jsonl": jsonl(*records, {"text": "one more"})})
    third_night = bench.snapshot(source(root), second_night, date="2026-01-03")
    assert documents(bench.collect(source(root), third_night))[:50] == documents(before)


def test_moving_the_sources_or_limits_on_bad_input_redo_no_part(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.collect(source(many_files(tmp_path / "web")), part_bytes=20_000)
    again = bench.collect(source(many_files(tmp_path / "elsewhere"), max_bad_fraction=0.5), part_bytes=20_000)
    assert again.metrics["parts"]["reused"] == again.metrics["parts"]["total"]


def test_two_folders_and_two_stores_give_the_same_bytes(tmp_path: Path) -> None:
    built = [
        Bench(tmp_path / name).collect(source(many_files(tmp_path / name / "web", 100)), part_bytes=20_000)
        for name in ("x", "y")
    ]
    assert built[0].digests() == built[1].digests()


def test_parts_hold_the_documents_in_locator_order(tmp_path: Path) -> None:
    root = many_files(tmp_path / "web", 60)
    write(root, {"z.jsonl": jsonl(*({"text": f"t{n}"} for n in range(700)))})
    built = Bench(tmp_path).collect(source(root), part_bytes=20_000)
    for path in built.paths("documents"):
        table = pq.read_table(path, columns=["source", "path", "offset"]).to_pylist()
        locators = [(row["source"], row["path"], row["offset"]) for row in table]
        assert locators == sorted(locators) and locators


def test_origins_that_look_like_absolute_paths_are_no_trouble(tmp_path: Path) -> None:
    root = write(
        tmp_path / "web", {"a.txt": "a", "facts.jsonl": jsonl({"path": "a.txt", "origin": "/usr/share/doc/x"})}
    )
    built = Bench(tmp_path).collect(source(root, metadata="facts.jsonl"))
    assert documents(built)[0]["origin"] == "/usr/share/doc/x"


def test_a_documents_id_ignores_newline_style_outer_space_and_composition() -> None:
    assert document_id("caf\u00e9\r\nb ") == document_id("\n cafe\u0301\nb")
    assert document_id("a b") != document_id("a  b")
    assert len(document_id("")) == 32
