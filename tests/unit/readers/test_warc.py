"""Web archives: pages with their addresses and encodings, and damage that costs one record."""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from source_files import faults, read, texts, warc_record

from tasks.readers.documents import Text
from tasks.readers.faults import Skip

CHINESE = "<p>中文网页的内容和英文的一样重要。</p>"
GOOD = [warc_record(f"https://example.org/{number}", b"<p>page %d</p>" % number) for number in range(6)]
PAGES = [f"<p>page {number}</p>" for number in range(6)]


def archive(records: Iterable[bytes], *, packed: bool = False) -> bytes:
    """Joins records, each a gzip member of its own where they are packed."""
    return b"".join(map(gzip.compress, records) if packed else records)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "whole.warc.gz"])
def test_pages_have_their_address_and_format(tmp_path: Path, name: str) -> None:
    records = [
        warc_record("https://example.org/", b"", type="warcinfo", media="application/warc-fields"),
        GOOD[0],
        warc_record("https://example.org/t", b"plain", media="text/plain"),
        warc_record("https://example.org/c", "提取的文本".encode(), type="conversion", media="text/plain"),
        warc_record("https://example.org/i", b"\x89PNG", media="image/png"),
        warc_record("https://example.org/404", b"<p>missing</p>", status="404 Not Found"),
        warc_record("https://example.org/r", b"GET /", type="request", media="application/http; msgtype=request"),
        GOOD[1],
    ]
    data = archive(records, packed=name == "a.warc.gz")
    found = read(tmp_path, name, gzip.compress(data) if name.startswith("whole") else data)
    assert [(one.origin, one.offset, one.format, one.text) for one in found if isinstance(one, Text)] == [
        ("https://example.org/0", 1, "html", "<p>page 0</p>"),
        ("https://example.org/t", 2, "text", "plain"),
        ("https://example.org/c", 3, "text", "提取的文本"),
        ("https://example.org/1", 7, "html", "<p>page 1</p>"),
    ]
    assert {one.date for one in found if isinstance(one, Text)} == {"2026-01-01T00:00:00Z"}
    assert [one.reason for one in found if isinstance(one, Skip)] == ["content_type", "http_status"]
    assert faults(found) == []


@pytest.mark.parametrize(
    ("body", "media", "headers"),
    [
        (CHINESE.encode("gb18030"), "text/html; charset=gb2312", ""),
        (CHINESE.encode("gb18030"), "text/html", ""),
        (CHINESE.encode(), "text/html; charset=iso-8859-1", ""),
        (b'<meta charset="big5">' + "<p>內容</p>".encode("big5"), "text/html", ""),
        (gzip.compress(CHINESE.encode(), mtime=0), "text/html", "Content-Encoding: gzip\r\n"),
        (zlib.compress(CHINESE.encode()), "text/html", "Content-Encoding: deflate\r\n"),
        (
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHINESE.encode()), CHINESE.encode()),
            "text/html",
            "Transfer-Encoding: chunked\r\n",
        ),
    ],
)
def test_bodies_come_out_of_their_encodings(tmp_path: Path, body: bytes, media: str, headers: str) -> None:
    found = read(tmp_path, "a.warc", warc_record("https://example.org/", body, media=media, headers=headers))
    assert texts(found) in ([CHINESE], ['<meta charset="big5"><p>內容</p>'])


DAMAGED = {
    "version": GOOD[2].replace(b"WARC/1.1", b"WXRC/1.1"),
    "too long": GOOD[2].replace(b"Content-Length: ", b"Content-Length: 9"),
    "too long by far": GOOD[2].replace(b"Content-Length: ", b"Content-Length: 99999999999"),
    "too short": GOOD[2].replace(b"Content-Length: ", b"Content-Length: 0000000001\r\nX: "),
    "no number": GOOD[2].replace(b"Content-Length: ", b"Content-Length: x"),
    "no length": GOOD[2].replace(b"Content-Length", b"Content-Width"),
    "no header": GOOD[2].replace(b"\r\n\r\n", b"\r\n"),
    "cut": GOOD[2][:-30],
    "garbage": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_record_costs_no_other(tmp_path: Path, kind: str, packed: bool) -> None:
    data = archive([*GOOD[:2], DAMAGED[kind], *GOOD[3:]], packed=packed)
    found = read(tmp_path, "a.warc.gz" if packed else "a.warc", data, max_record_bytes=10_000)
    assert texts(found) == [*PAGES[:2], *PAGES[3:]]
    assert len(faults(found)) == 1 and faults(found)[0][1] == 3


def test_a_damaged_gzip_member_costs_no_other(tmp_path: Path) -> None:
    packed = [gzip.compress(record) for record in GOOD]
    packed[2] = packed[2][:60] + b"\x00\xff\x00" + packed[2][63:]
    found = read(tmp_path, "a.warc.gz", b"".join(packed))
    assert texts(found) == [*PAGES[:2], *PAGES[3:]] and faults(found) == [("", 3, "broken_gzip")]
    packed[2] = packed[2][:40]
    assert texts(read(tmp_path, "a.warc.gz", b"".join(packed))) == [*PAGES[:2], *PAGES[3:]]


def test_the_end_may_be_missing(tmp_path: Path) -> None:
    found = read(tmp_path, "a.warc", archive(GOOD)[:-40])
    assert texts(found) == PAGES[:5] and faults(found) == [("", 6, "broken_record")]
    found = read(tmp_path, "a.warc.gz", archive(GOOD, packed=True)[:-40])
    assert texts(found) == PAGES[:5] and faults(found) == [("", 6, "broken_gzip")]


def test_bodies_that_are_or_expand_too_large_are_faults(tmp_path: Path) -> None:
    records = [
        warc_record("https://example.org/l", b"x" * 200_000),
        warc_record("https://example.org/z", gzip.compress(bytes(10**8)), headers="Content-Encoding: gzip\r\n"),
        warc_record("https://example.org/v", b"x" * 200_000, type="resource", media="video/mp4"),
        GOOD[0],
    ]
    found = read(tmp_path, "a.warc", archive(records), max_record_bytes=100_000)
    assert texts(found) == PAGES[:1]
    assert faults(found) == [("", 1, "record_too_large"), ("", 2, "record_too_large")]


def test_what_is_no_web_archive_is_one_fault(tmp_path: Path) -> None:
    assert faults(read(tmp_path, "a.warc", b"nothing of the kind\n" * 1000)) == [("", 1, "not_warc")]
    assert faults(read(tmp_path, "a.warc.gz", b"nothing of the kind\n" * 1000)) == [("", 1, "broken_gzip")]
    assert read(tmp_path, "a.warc", b"") == []


def test_answers_of_other_protocols_are_left_out(tmp_path: Path) -> None:
    data = warc_record("dns:example.org", b"example.org. 60 IN A 192.0.2.1").replace(
        b"application/http; msgtype=response", b"text/dns"
    )
    found = read(tmp_path, "a.warc", data + GOOD[0])
    assert texts(found) == PAGES[:1] and found[0] == Skip("content_type")
