"""Whatever the bytes: documents and faults, nothing else; nothing written; memory that does not follow the input."""

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_files import (
    faults,
    gzipped,
    read,
    tar_archive,
    texts,
    warc_record,
    wiki_dump,
    wiki_page,
    zip_archive,
)

from tasks.readers.documents import Text
from tasks.readers.faults import Fault, Skip

CHINESE = "中文的文本和英文的一样重要。"


def parquet(rows: int = 5) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"text": [f"row {row} {CHINESE}" for row in range(rows)], "licence": ["MIT"] * rows})
    pq.write_table(table, sink, row_group_size=2)
    return bytes(sink.getvalue())


LINES = b'{"text": "one"}\n{"text": "two", "licence": "MIT"}\n' + f'{{"text": "{CHINESE}"}}\n'.encode()
WARC = b"".join(gzip.compress(warc_record(f"https://example.org/{n}", b"<p>%d</p>" % n)) for n in range(3))
DUMP = wiki_dump(wiki_page("A", "[[a|b]] {{c}} -{zh-cn:d}-"), wiki_page("B", "two"))
MEMBERS = {"a.txt": b"text", "b.jsonl": LINES, "c/d.csv": b"id,text\n1,x\n"}
VALID = {
    "a.txt": CHINESE.encode(),
    "a.html": b"<p>page</p>",
    "a.jsonl": LINES,
    "a.jsonl.gz": gzipped(LINES),
    "a.jsonl.bz2": bz2.compress(LINES),
    "a.jsonl.xz": lzma.compress(LINES),
    "a.csv": b'id,text\n1,"a\nb"\n2,c\n',
    "a.parquet": parquet(),
    "a.warc": gzip.decompress(WARC),
    "a.warc.gz": WARC,
    "x-pages-articles.xml": DUMP,
    "x-pages-articles.xml.bz2": bz2.compress(DUMP),
    "a.zip": zip_archive(MEMBERS),
    "a.tar": tar_archive(dict(MEMBERS)),
    "a.tar.gz": gzip.compress(tar_archive(dict(MEMBERS))),
}
SMALL: dict[str, object] = {"max_record_bytes": 10_000, "max_ratio": 50, "max_member_bytes": 10**6, "max_members": 50}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds one folder, in which nothing but the files under test may appear."""
    folder = tmp_path_factory.mktemp("outer") / "inner"
    folder.mkdir()
    return folder


def check(folder: Path, name: str, data: bytes) -> None:
    for path in folder.iterdir():
        path.unlink()
    for found in read(folder, name, data, **SMALL):
        assert isinstance(found, (Text, Fault, Skip))
        if isinstance(found, Text):
            found.text.encode()  # No lone surrogates.
            assert len(found.text.encode()) <= 4 * 10_000 + 1
        if isinstance(found, Fault):
            assert found.reason and found.at(name).encode()
    assert len(list(folder.iterdir())) == 1 and [path.name for path in folder.parent.iterdir()] == ["inner"]


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_are_documents_or_faults(folder: Path, name: str, data: bytes) -> None:
    check(folder, name, data)


edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "double", "insert"]), st.integers(0, 10**6), st.binary(max_size=9)
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=edits)
def test_damaged_files_are_documents_or_faults(folder: Path, name: str, edits: list[tuple[str, int, bytes]]) -> None:
    data = bytearray(VALID[name])
    for kind, place, piece in edits:
        at = place % (len(data) + 1)
        end = min(len(data), at + 1 + len(piece) * 7)
        match kind:
            case "flip" if at < len(data):
                data[at] ^= 1 << (place % 8)
            case "cut":
                del data[max(at, len(data) // 2) :]
            case "drop":
                del data[at:end]
            case "double":
                data[at:at] = data[at:end]
            case "insert":
                data[at:at] = piece
    check(folder, name, bytes(data))


@pytest.mark.parametrize("name", VALID)
def test_the_files_that_are_damaged_here_are_whole(folder: Path, name: str) -> None:
    found = read(folder, name, VALID[name])
    assert texts(found) and not faults(found)


def test_nuls_and_lone_surrogates(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "a.txt", b"a\0b")) == ["a\0b"]
    assert texts(read(tmp_path, "a.jsonl", b'{"text": "a\\u0000b"}')) == ["a\0b"]
    for data in (
        b'{"text": "\\ud800"}',
        b'{"text": "\\udc00\\ud800"}',
        '{"text": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ):
        found = read(tmp_path, "a.jsonl", data + b'\n{"text": "kept"}')
        assert texts(found) == ["kept"] and len(faults(found)) == 1
    assert faults(read(tmp_path, "a.txt", "a\ud800b".encode("utf-8", "surrogatepass")))[0][2] == "invalid_utf8"
    table = pa.table({"text": pa.array([b"good", b"\xed\xa0\x80", b"also good"]).view(pa.string())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    found = read(tmp_path, "a.parquet", bytes(sink.getvalue()))
    assert texts(found) == ["good", "also good"] and faults(found) == [("", 2, "invalid_utf8")]


def test_lines_in_two_encodings_are_both_read(tmp_path: Path) -> None:
    lines = f'{{"text": "{CHINESE}"}}\n'
    data = lines.encode() * 3 + lines.encode("gb18030") + b'{"text": "\xe9\x81"}\n' + lines.encode()
    found = read(tmp_path, "a.jsonl", data)
    assert texts(found) == [CHINESE] * 5 and faults(found) == [("", 5, "invalid_utf8")]


def line(start: bytes, end: bytes) -> bytes:
    return start + b"x" * (100 * 2**20) + end


LONG: dict[str, Callable[[], bytes]] = {
    "a.jsonl": lambda: line(b'{"text": "', b'"}\n{"text": "kept"}\n'),
    "a.csv": lambda: line(b"text\n", b"\nkept\n"),
    "a.warc": lambda: warc_record("https://example.org", line(b"", b"")) + warc_record("https://example.org", b"kept"),
    "a.jsonl.gz": lambda: gzip.compress(line(b'{"text": "', b'"}\n{"text": "kept"}\n'), 1),
    "a.zip": lambda: zip_archive({"a.txt": line(b"", b""), "b.txt": b"kept"}),
    "a.tar": lambda: tar_archive({"a.txt": line(b"", b""), "b.txt": b"kept"}),
}


@pytest.mark.parametrize("name", LONG)
def test_a_line_of_100_mb_is_not_held_and_what_follows_is_read(tmp_path: Path, name: str) -> None:
    data = LONG[name]()
    tracemalloc.start()
    found = read(tmp_path, name, data, max_record_bytes=2**20, max_ratio=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [text.removeprefix("b.txt: ") for text in texts(found)] == ["kept"]
    assert len(faults(found)) == 1
    assert peak < 12 * 2**20


def test_texts_of_parquet_files_that_are_too_long_are_faults(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["kept", "x" * 5000, "kept"]}), sink)
    found = read(tmp_path, "a.parquet", sink.getvalue(), max_record_bytes=2000)
    assert texts(found) == ["kept", "kept"] and faults(found) == [("", 2, "record_too_large")]


def test_a_dictionary_that_stands_for_gigabytes_is_cut(tmp_path: Path) -> None:
    texts_of = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 200_000]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts_of}), sink)
    assert len(sink.getvalue()) < 10**6
    before = pa.total_allocated_bytes()
    found = read(tmp_path, "a.parquet", sink.getvalue())
    assert faults(found)[-1][2] == "decompression_bomb" and len(found) < 1000
    assert pa.total_allocated_bytes() - before < 64 * 2**20


def test_what_is_read_goes_by_the_name_and_never_by_where_the_bytes_lie(tmp_path: Path) -> None:
    """Objects of a store have no suffix."""
    assert texts(read(tmp_path, "pages/a.jsonl.gz", VALID["a.jsonl.gz"])) == ["one", "two", CHINESE]
