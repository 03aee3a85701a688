"""Lines and encodings, piece by piece."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.readers.encodings import decode, encoding_of_lines
from tasks.readers.faults import Fault
from tasks.readers.formats import compression_of, format_of
from tasks.readers.lines import bounded_lines, bounded_pieces


@given(st.lists(st.binary(max_size=12)), st.integers(1, 9), st.integers(0, 12))
def test_lines_do_not_depend_on_how_the_stream_is_cut(lines: list[bytes], step: int, limit: int) -> None:
    data = b"\n".join(lines)
    blocks = [data[start : start + step] for start in range(0, len(data), step)]
    wanted = data.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    assert list(bounded_lines(blocks, limit)) == [line if len(line) <= limit else None for line in wanted]


def test_a_line_of_200_mb_is_passed_over_without_being_held() -> None:
    def stream() -> Iterator[bytes]:
        yield b"first\n"
        for _ in range(200):
            yield bytes(1024**2)
        yield b"\nlast"

    tracemalloc.start()
    found = list(bounded_lines(stream(), 4 * 1024**2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [b"first", None, b"last"]
    assert peak < 16 * 1024**2


@pytest.mark.parametrize(
    "text", ["版权所有", "使用说明：请先安装。", "張三，字君澤，固始人。詩六首。", "the word 注释 in English text"]
)
def test_gb18030_is_read_when_the_text_is_plausibly_chinese(text: str) -> None:
    assert decode(text.encode("gb18030")) == (text, "gb18030")


ELSEWHERE = [
    ("Grüße aus Köln, für alle Fälle", "cp1252"),
    ("The café’s “naïve” owner – a coöperative one – said: “no”.", "cp1252"),
    ("すべての人間は、生まれながらにして自由であり", "shift_jis"),
    ("すべての人間は、生まれながらにして自由であり", "euc_jp"),
    ("人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。", "big5"),
    ("Все люди рождаются свободными и равными", "cp1251"),
    ("Все люди рождаются свободными и равными", "koi8-r"),
]


@pytest.mark.parametrize(("text", "encoding"), ELSEWHERE)
def test_what_the_detector_is_sure_of_is_read(text: str, encoding: str) -> None:
    found = decode(text.encode(encoding))
    assert not isinstance(found, Fault)
    assert found[0] == text


@pytest.mark.parametrize(
    "data",
    [
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다".encode("euc_kr"),
        "中文的文本".encode() * 20 + "在这里".encode("gb18030"),  # two encodings
        "plain text, and then Grüße: ".encode("latin-1") + "中文的文本和英文的一样重要".encode(),
        bytes(range(256)),
        b"\xff\xfe\x00\xd8",  # half a surrogate pair
        b"\xff\xfe\x00",
    ],
)
def test_what_is_uncertain_is_a_fault_and_not_guessed(data: bytes) -> None:
    found = decode(data)
    assert isinstance(found, Fault)
    assert found.reason.startswith("invalid_utf")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_with_its_mark_and_utf16_of_english_without(encoding: str) -> None:
    text = "Plain English, 一点中文 and an emoji 🙂."
    if encoding in ("utf-16", "utf-32"):
        for order in ("le", "be"):
            mark = "\ufeff".encode(f"{encoding}-{order}")
            found = decode(mark + text.encode(f"{encoding}-{order}"))
            assert not isinstance(found, Fault) and found[0] == text
    else:
        text = "Plain English, with a word of 中文 and an emoji 🙂."
        found = decode(text.encode(encoding))
        assert not isinstance(found, Fault) and found[0] == text


def test_a_page_says_its_encoding_and_utf8_says_it_better() -> None:
    page = '<html><head><meta charset="big5"></head>人人'
    found = decode(page.encode("big5"), html=True)
    assert not isinstance(found, Fault) and found[0] == page
    found = decode(page.encode(), html=True)
    assert not isinstance(found, Fault) and found[0] == page
    found = decode("人人".encode("big5"), declared="Big5")
    assert not isinstance(found, Fault) and found[0] == "人人"
    for hostile in ("idna", "punycode", "unicode_escape", "zlib", "\x00", "utf-7"):
        assert isinstance(decode(b"\xb0\x81", declared=hostile), Fault)


def test_the_fault_names_the_first_bad_byte_and_its_line() -> None:
    assert decode(b"a\nb\n\x81") == Fault(3, "invalid_utf8", "byte 0x81 at offset 4")
    assert decode(b"\xef\xbb\xbfa\n\x81") == Fault(2, "invalid_utf8", "byte 0x81 at offset 5")


@given(st.text())
def test_every_text_survives_utf8(text: str) -> None:
    if not text.startswith("\ufeff") and "\0" not in text:
        assert decode(text.encode()) == (text, "utf-8")


@given(st.binary(max_size=200))
def test_no_bytes_are_beyond_decoding_or_a_fault(data: bytes) -> None:
    found = decode(data, html=True)
    assert isinstance(found, Fault) or "\ufffd" not in found[0] or b"\xff\xfd" in data or b"\xef\xbf\xbd" in data


def test_a_head_that_ends_inside_a_character_is_still_utf8() -> None:
    assert encoding_of_lines("中文".encode()[:-1]) == "utf-8"
    assert encoding_of_lines("我们的中文文本在这里，不是吗".encode("gb18030")[:-1]) == "gb18030"


def test_formats_go_by_the_suffix_whatever_its_case() -> None:
    names = ["A.TXT", "b.Md.GZ", "c.ndjson", "d.htm", "e.parquet", "f.parquet.gz", "g.gz", "README", "h.py"]
    found = ["text", "markdown", "jsonl", "html", "parquet", None, None, None, None]
    assert [format_of(name) for name in names] == found


def test_formats_of_compressed_files_archives_and_dumps() -> None:
    found = {
        "a.tsv.zst": ("csv", "zstd"),
        "a.csv.bz2": ("csv", "bzip2"),
        "a.warc.gz": ("warc", "gzip"),
        "a.tar": ("tar", None),
        "a.tar.xz": ("tar", "xz"),
        "a.tgz": ("tar", "gzip"),
        "a.zip": ("zip", None),
        "a.zip.gz": (None, "gzip"),
        "zhwiki-20260101-pages-articles.xml.bz2": ("wikimedia", "bzip2"),
        "enwiki-latest-pages-articles-multistream7.xml-p1p41242.bz2": ("wikimedia", "bzip2"),
        "other.xml": (None, None),
    }
    assert {name: (format_of(name), compression_of(name)) for name in found} == found


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7), st.integers(0, 15))
def test_pieces_do_not_depend_on_how_the_stream_is_cut(pieces: list[bytes], step: int, limit: int) -> None:
    data = b"</p>".join(pieces)
    blocks = [data[start : start + step] for start in range(0, len(data), step)]
    wanted = [piece + b"</p>" for piece in data.split(b"</p>")]
    wanted[-1] = wanted[-1].removesuffix(b"</p>")
    if not wanted[-1]:
        wanted.pop()
    found = list(bounded_pieces(blocks, b"</p>", limit))
    assert found == [piece if len(piece) <= limit else None for piece in wanted]
