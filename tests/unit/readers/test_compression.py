"""Compressed files: several members, ends that are missing, and what a few bytes expand to."""

import bz2
import gzip
import json
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import faults, read, texts

from tasks.readers.decompression import BLOCK_BYTES, BrokenFile, Limits, decompressed, salvaged_gzip

Compress = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


WAYS = {"gzip": gzip.compress, "zstd": zstd, "bzip2": bz2.compress, "xz": lzma.compress}
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "xz": ".xz"}
WORDS = random.Random(1)
LINES = b"".join(
    json.dumps({"text": f"line {number} 中文 {WORDS.random()}"}, ensure_ascii=False).encode() + b"\n"
    for number in range(5000)
)


def blocks(data: bytes, step: int = 70_000) -> Iterator[bytes]:
    return (data[start : start + step] for start in range(0, len(data), step))


@pytest.mark.parametrize("way", WAYS)
@given(pieces=st.lists(st.binary(max_size=40), min_size=1), step=st.integers(1, 30))
def test_several_members_are_one_content_however_the_stream_is_cut(way: str, pieces: list[bytes], step: int) -> None:
    data = b"".join(WAYS[way](piece) for piece in pieces)
    assert b"".join(decompressed(blocks(data, step), way, Limits())) == b"".join(pieces)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_breaks_off_keeps_its_whole_lines_and_its_fault(tmp_path: Path, way: str) -> None:
    data = WAYS[way](LINES) + WAYS[way](LINES)
    found = read(tmp_path, f"a.jsonl{SUFFIXES[way]}", data[: len(data) // 2 + len(data) // 4])
    kept = texts(found)
    assert kept == [json.loads(line)["text"] for line in (LINES + LINES).split(b"\n")[: len(kept)]]
    assert len(kept) >= 5000 or way == "zstd"
    assert faults(found) == [("", len(kept) + 1, f"broken_{way}")]
    whole = read(tmp_path, f"a.txt{SUFFIXES[way]}", WAYS[way](b"half a document")[:-3])
    assert texts(whole) == [] and faults(whole) == [("", 0, f"broken_{way}")]


@pytest.mark.parametrize("way", WAYS)
def test_garbage_is_named(tmp_path: Path, way: str) -> None:
    for data in (b"not compressed at all", WAYS[way](b"text") + b"garbage behind it"):
        assert faults(read(tmp_path, f"a.txt{SUFFIXES[way]}", data)) == [("", 0, f"broken_{way}")]


def bomb(way: str) -> bytes:
    """Returns about 10 GB of zeros."""
    piece = WAYS[way](bytes(64 * 1024**2))
    return piece * 160


@pytest.mark.parametrize("way", WAYS)
def test_a_bomb_is_cut_early_in_little_memory(tmp_path: Path, way: str) -> None:
    data = bomb(way)
    for name in ("a.txt", "a.jsonl", *(("a.csv", "x-pages-articles.xml") if way == "zstd" else ())):
        tracemalloc.start()
        found = read(tmp_path, f"{name}{SUFFIXES[way]}", data, max_record_bytes=2**20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert texts(found) == []
        reason = {"a.txt": "file_too_large", "x-pages-articles.xml": "not_a_dump"}.get(name, "decompression_bomb")
        assert faults(found)[-1][2] == reason
        assert peak < len(data) + 40 * 2**20


@pytest.mark.parametrize("way", WAYS)
def test_no_more_is_decompressed_than_the_limits_allow(way: str) -> None:
    data = bomb(way)

    def expanded(limits: Limits) -> int:
        size = 0
        with pytest.raises(BrokenFile):
            for piece in decompressed(blocks(data), way, limits):  # type: ignore[arg-type]
                size += len(piece)
        return size

    assert expanded(Limits()) <= 64 * 2**20 + 200 * 70_000 + BLOCK_BYTES
    assert expanded(Limits(max_ratio=10**9, max_bytes=5 * 2**20)) <= 5 * 2**20


def test_xz_may_not_ask_for_gigabytes(tmp_path: Path) -> None:
    data = bytearray(lzma.compress(b"text"))
    start = 12  # The block header: its length, …, the dictionary's size in one byte, and a checksum.
    length = (data[start] + 1) * 4
    header = data[start : start + length - 4]
    header[header.index(lzma.FILTER_LZMA2) + 2] = 40  # 4 GiB - 1
    data[start : start + length] = header + zlib.crc32(bytes(header)).to_bytes(4, "little")
    found = read(tmp_path, "a.txt.xz", bytes(data))
    assert faults(found) == [("", 0, "broken_xz")] and "emory" in found[0].detail


@given(
    members=st.lists(st.binary(max_size=60), min_size=1, max_size=6),
    broken=st.integers(0, 5),
    at=st.integers(0, 10**6),
    step=st.integers(1, 50),
)
def test_damage_to_one_gzip_member_spares_the_others(members: list[bytes], broken: int, at: int, step: int) -> None:
    packed = [gzip.compress(member, mtime=0) for member in members]
    broken %= len(packed)
    damaged = bytearray(packed[broken])
    damaged[10 + at % (len(damaged) - 10)] ^= 0xFF  # anywhere but in the header
    packed[broken] = bytes(damaged)
    found: Iterable[bytes | BrokenFile] = list(salvaged_gzip(blocks(b"".join(packed), step), Limits()))
    kept = b"".join(piece for piece in found if isinstance(piece, bytes))
    before = b"".join(members[:broken])
    assert kept.startswith(before)
    assert any(isinstance(piece, BrokenFile) for piece in found)
    if gzip_is_found_again(packed[broken]):
        assert kept.endswith(b"".join(members[broken + 1 :]))


def gzip_is_found_again(damaged: bytes) -> bool:
    """Damage may make a member that swallows its neighbour or looks like the beginning of another."""
    return damaged.count(b"\x1f\x8b\x08") == 1


@given(members=st.lists(st.binary(max_size=60), max_size=6), step=st.integers(1, 50))
def test_salvaging_whole_members_is_decompressing_them(members: list[bytes], step: int) -> None:
    data = b"".join(gzip.compress(member) for member in members)
    assert b"".join(salvaged_gzip(blocks(data, step), Limits())) == b"".join(members)  # type: ignore[arg-type]
