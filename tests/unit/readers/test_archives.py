"""Archives: members by their suffix, none of them ever on disk, and what a hostile one can claim."""

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import faults, read, tar_archive, texts, zip_archive

from tasks.readers.documents import Text

CHINESE = "中文的文本和英文的一样重要。"


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["row"]}), sink)
    return bytes(sink.getvalue())


MEMBERS = {
    "b/one.txt": b"one",
    "b/two.md": CHINESE.encode("gb18030"),
    "c.jsonl": b'{"text": "first"}\nno JSON\n{"text": "third"}\n',
    "d.jsonl.gz": gzip.compress(b'{"text": "zipped"}'),
    "e.csv": b"id,text\n1,cell\n",
    "f.parquet": parquet(),
    "g.py": b"print()",
    "h/inner.zip": b"PK",
    "h/inner.tar.gz": b"",
    ".hidden/x.txt": b"hidden",
}
TEXTS = [
    "b/one.txt: one",
    f"b/two.md: {CHINESE}",
    "c.jsonl: first",
    "c.jsonl: third",
    "d.jsonl.gz: zipped",
    "e.csv: cell",
    "f.parquet: row",
]
FAULTS = [("c.jsonl", 2, "not_json"), ("h/inner.tar.gz", 0, "nested_archive"), ("h/inner.zip", 0, "nested_archive")]
TARS = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tgz": gzip.compress,
}


@pytest.mark.parametrize("suffix", TARS)
def test_members_of_tar_archives_are_files_of_their_formats(tmp_path: Path, suffix: str) -> None:
    found = read(tmp_path, f"a{suffix}", TARS[suffix](tar_archive(MEMBERS)))
    assert texts(found) == TEXTS
    assert sorted(faults(found)) == FAULTS
    assert [(one.offset, one.origin) for one in found if isinstance(one, Text) and one.member == "c.jsonl"] == [
        (0, "tests"),
        (2, "tests"),
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_zip_archives_come_by_name(tmp_path: Path, method: int) -> None:
    found = read(tmp_path, "a.zip", zip_archive(dict(reversed(MEMBERS.items())), method))
    assert texts(found) == TEXTS
    assert sorted(faults(found)) == FAULTS


def test_a_format_that_is_set_is_that_of_the_members(tmp_path: Path) -> None:
    for name, data in (
        ("a.zip", zip_archive({"README": b"x", "b.py": b"y"})),
        ("a.tar", tar_archive({"README": b"x"})),
    ):
        assert texts(read(tmp_path, name, data, format="text"))[0] == "README: x"


def test_names_in_gb18030_are_chinese(tmp_path: Path) -> None:
    data = zip_archive({"xxxxxxxxxxxxxxxxxxxx.txt": b"text"})
    name = "中文的文本的名字在此".encode("gb18030")
    assert texts(read(tmp_path, "a.zip", data.replace(b"x" * 20, name))) == ["中文的文本的名字在此.txt: text"]


HOSTILE = ("../up.txt", "/etc/abs.txt", "a/../../up.txt", "C:\\up.txt", "..\\up.txt")


def test_names_that_lead_out_and_what_is_no_file_are_not_read(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    found = read(inside, "a.zip", zip_archive({**dict.fromkeys(HOSTILE, b"evil"), "ok.txt": b"good"}))
    assert texts(found) == ["ok.txt: good"]
    assert {reason for _, _, reason in faults(found)} == {"unsafe_name"} and len(faults(found)) == len(HOSTILE)
    members: dict[str, bytes | str] = {**dict.fromkeys(HOSTILE, b"evil"), "link.txt": "/etc/passwd", "ok.txt": b"good"}
    found = read(inside, "a.tar", tar_archive(members))
    assert texts(found) == ["ok.txt: good"]
    assert faults(found)[-1] == ("link.txt", 0, "not_a_file")
    assert len(faults(found)) == len(HOSTILE) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert all(path.is_file() and len(path.name) == 64 for path in inside.iterdir())


def test_devices_pipes_links_and_files_with_holes_are_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, b"S"):
            header = tarfile.TarInfo(f"{kind.decode()}.txt")
            header.type, header.linkname = kind, "ok.txt"
            archive.addfile(header)
    found = faults(read(tmp_path, "a.tar", buffer.getvalue()))
    assert [reason for _, _, reason in found] == ["not_a_file"] * 6


def test_the_first_of_several_members_of_a_name_counts(tmp_path: Path) -> None:
    data = tar_archive({"a.txt": b"first", "./a.txt": b"second"})
    found = read(tmp_path, "a.tar", data)
    assert texts(found) == ["a.txt: first"] and faults(found) == [("./a.txt", 0, "repeated_member")]


def test_a_damaged_member_spares_the_others(tmp_path: Path) -> None:
    members = {f"{number}.txt": b"text %d " % number * 50 for number in range(5)}
    data = bytearray(zip_archive(members))
    data[data.index(b"2.txt") + 12] ^= 0xFF
    found = read(tmp_path, "a.zip", bytes(data))
    assert len(texts(found)) == 4 and faults(found) == [("2.txt", 0, "broken_zip")]
    data = bytearray(tar_archive(members))
    data[data.index(b"2.txt") + 5] ^= 0xFF
    found = read(tmp_path, "a.tar", bytes(data))
    assert len(texts(found)) == 4 and faults(found) == [("", 0, "broken_tar")]


@pytest.mark.parametrize("kept", [0, 100, 512, 1024, 3000, 5 * 1024])
def test_a_tar_archive_that_breaks_off_keeps_what_came_before(tmp_path: Path, kept: int) -> None:
    data = tar_archive({f"{number}.txt": b"x" * 500 for number in range(10)})
    found = read(tmp_path, "a.tar", data[:kept])
    assert len(texts(found)) == kept // 1024
    assert faults(found)[-1][2] == "broken_tar"


def test_what_is_no_archive_or_has_no_documents_is_named(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar"):
        for data in (b"", b"no archive", b"x" * 5000):
            assert [reason for _, _, reason in faults(read(tmp_path, name, data))] == [f"broken_{name[2:]}"]
    assert faults(read(tmp_path, "a.zip", zip_archive({"a.py": b"x"}))) == [("", 0, "no_documents")]
    assert faults(read(tmp_path, "a.tar", tar_archive({}))) == [("", 0, "no_documents")]


def test_encrypted_members_and_unknown_compressions_are_named(tmp_path: Path) -> None:
    data = bytearray(zip_archive({"a.txt": b"text", "b.txt": b"text"}))
    entry = data.index(b"PK\1\2")
    data[entry + 8] |= 1
    second = data.index(b"PK\1\2", entry + 1)
    struct.pack_into("<H", data, second + 10, 77)
    assert faults(read(tmp_path, "a.zip", bytes(data))) == [
        ("a.txt", 0, "encrypted"),
        ("b.txt", 0, "unknown_compression"),
    ]


def test_members_that_overlap_are_not_read(tmp_path: Path) -> None:
    """The trick of bombs that expand without nesting: many directory entries over the same bytes."""
    whole = zip_archive({"a.txt": b"0" * 1000, "b.txt": b"1" * 1000})
    data = bytearray(whole)
    first, second = data.index(b"PK\1\2"), data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    struct.pack_into("<L", data, second + 42, 0)  # b.txt begins where a.txt does
    assert [reason for _, _, reason in faults(read(tmp_path, "a.zip", bytes(data)))] == ["overlapping_members"] * 2
    data = bytearray(whole)
    struct.pack_into("<L", data, first + 20, 200)  # a.txt reaches into b.txt
    found = read(tmp_path, "a.zip", bytes(data))
    assert faults(found) == [("a.txt", 0, "overlapping_members")] and len(texts(found)) == 1


def test_absurd_numbers_of_members_are_refused(tmp_path: Path) -> None:
    members = {f"{number}.txt": b"x" for number in range(50)}
    assert faults(read(tmp_path, "a.zip", zip_archive(members), max_members=40)) == [("", 0, "too_many_members")]
    found = read(tmp_path, "a.tar", tar_archive(dict(members)), max_members=40)
    assert len(texts(found)) == 40 and faults(found) == [("", 0, "too_many_members")]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_cut_in_little_memory(tmp_path: Path, method: int) -> None:
    """A hundred members of 64 MiB each: no single one is suspicious, together they are."""
    one = zip_archive({"00.jsonl": bytes(64 * 2**20)}, method)
    start, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    count = 99
    directory = b"".join(
        one[start:end][:42] + struct.pack("<L", number * start) + b"%02d.jsonl" % number for number in range(count)
    )
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), start * count, 0)
    data = one[:start] * count + directory + last
    tracemalloc.start()
    found = read(tmp_path, "a.zip", data, max_record_bytes=2**20, max_ratio=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert texts(found) == []
    assert faults(found)[-1][2] == "decompression_bomb"
    assert len(faults(found)) < 40
    assert peak < len(data) * 2 + 50 * 2**20


def test_a_header_may_not_be_as_long_as_the_archive(tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 5 * 10**9
    data = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(300 * 2**20), compresslevel=1)
    tracemalloc.start()
    found = read(tmp_path, "a.tar.gz", data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert faults(found)[-1][2] in ("broken_tar", "decompression_bomb")
    assert peak < 30 * 2**20


def test_a_long_parquet_file_in_an_archive_is_named(tmp_path: Path) -> None:
    data = zip_archive({"a.parquet": bytes(65 * 2**20)})
    assert faults(read(tmp_path, "a.zip", data, max_ratio=10**6)) == [("a.parquet", 0, "file_too_large")]


def test_members_give_the_same_documents_as_files(tmp_path: Path) -> None:
    lines = b"".join(json.dumps({"text": f"{number}"}).encode() + b"\n" for number in range(300))
    alone = [one[:6] for one in read(tmp_path, "a.jsonl", lines) if isinstance(one, Text)]
    for name, data in (("a.zip", zip_archive({"a.jsonl": lines})), ("a.tar", tar_archive({"a.jsonl": lines}))):
        assert [one[:6] for one in read(tmp_path, name, data) if isinstance(one, Text)] == alone
