"""Lines and encodings, piece by piece."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.readers.encodings import decode, encoding_of_lines
from tasks.readers.faults import Fault
from tasks.readers.formats import format_of
from tasks.readers.lines import bounded_lines


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


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus Köln, für alle Fälle", "latin-1"),
        ("na\u00efve co\u00f6perative", "cp1252"),
        ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다", "euc_kr"),
        ("すべての人間は、生まれながらにして自由であり", "shift_jis"),
        ("すべての人間は、生まれながらにして自由であり", "euc_jp"),
        ("人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。", "big5"),
        ("Все люди рождаются свободными и равными", "cp1251"),
        ("Все люди рождаются свободными и равными", "koi8-r"),
    ],
)
def test_other_encodings_are_faults_and_not_guessed(text: str, encoding: str) -> None:
    found = decode(text.encode(encoding))
    assert isinstance(found, Fault)
    assert found.reason == "invalid_utf8"


def test_the_fault_names_the_first_bad_byte_and_its_line() -> None:
    assert decode(b"a\nb\n\xff") == Fault(3, "invalid_utf8", "byte 0xff at offset 4")
    assert decode(b"\xef\xbb\xbfa\n\xff") == Fault(2, "invalid_utf8", "byte 0xff at offset 5")


def test_a_head_that_ends_inside_a_character_is_still_utf8() -> None:
    assert encoding_of_lines("中文".encode()[:-1]) == "utf-8"
    assert encoding_of_lines("我们的中文文本在这里，不是吗".encode("gb18030")[:-1]) == "gb18030"


def test_formats_go_by_the_suffix_whatever_its_case() -> None:
    names = ["A.TXT", "b.Md.GZ", "c.ndjson", "d.htm", "e.parquet", "f.parquet.gz", "g.gz", "README", "h.py"]
    found = ["text", "markdown", "jsonl", "html", "parquet", None, None, None, None]
    assert [format_of(name) for name in names] == found
