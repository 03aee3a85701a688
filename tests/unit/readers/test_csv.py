"""CSV as RFC 4180 says, as spreadsheets write it, and as it arrives."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import faults, read, texts

from tasks.readers.csv_rows import csv_rows
from tasks.readers.documents import Text
from tasks.readers.faults import Fault

CHINESE = "中文的文本和英文的一样重要。"

cells = st.text(st.sampled_from('ab,;\t "\n\r\x00中'), max_size=6) | st.text(st.characters(exclude_categories=("Cs",)))


@given(rows=st.lists(st.tuples(cells, cells), min_size=1), delimiter=st.sampled_from(",;\t|"), step=st.integers(1, 99))
def test_what_a_csv_writer_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str, step: int) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text"), *rows])
    data = buffer.getvalue().encode()
    blocks = [data[start : start + step] for start in range(0, len(data), step)]
    found = list(csv_rows(blocks, delimiter=delimiter, columns=None, wanted="text", limit=10**6))
    assert [
        record if isinstance(record, Fault) else (record.fields["id"], record.fields["text"]) for record in found
    ] == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_found_out(tmp_path: Path, delimiter: str, encoding: str) -> None:
    data = "\r\n".join(delimiter.join(row) for row in (("id", "text"), ("1", CHINESE), ("2", f'"{CHINESE}\n""x"""')))
    assert texts(read(tmp_path, "a.csv", data.encode(encoding))) == [CHINESE, f'{CHINESE}\n"x"']


def test_spreadsheets_write_windows_1252(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "a.csv", "id;text\n1;the café\n2;plain\n".encode("cp1252"))) == ["the café", "plain"]


def test_columns_without_a_header_delimiters_and_tabs_can_be_set(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", b"1,x y\n2,z\n", csv_columns=["id", "text"])
    assert [(one.text, one.offset) for one in found if isinstance(one, Text)] == [("x y", 0), ("z", 1)]
    assert texts(read(tmp_path, "a.csv", b"id:text\n1:a,b\n", csv_delimiter=":")) == ["a,b"]
    assert texts(read(tmp_path, "a.tsv", b"id\ttext\n1\ta,b\n")) == ["a,b"]


def test_bad_rows_cost_no_other(tmp_path: Path) -> None:
    lines = [
        b"id,text,licence",
        b"1,kept,CC0-1.0",
        b"2,two,fields,more",
        b'3,"never closed,MIT',
        b"4,kept,MIT",
        b'5,"closed" badly,MIT',
        b'6,5" of text,MIT',
        b"",
        b'7,"two\nlines",MIT',
        b"8,\xff\xfe\x81,MIT",
        b'9,"' + b"x" * 3000 + b'",MIT',
        b'10,"' + b"y\n" * 1500 + b'",MIT',
        b"11,,MIT",
        b'12,"nor here',
    ]
    found = read(tmp_path, "a.csv", b"\n".join(lines), max_record_bytes=2000)
    assert texts(found) == ["kept", "kept", '5" of text', "two\nlines"]
    assert faults(found)[:7] == [
        ("", 3, "wrong_number_of_fields"),
        ("", 4, "not_csv"),  # its quote is closed where that of line 7 begins
        ("", 6, "not_csv"),
        ("", 11, "invalid_utf8"),
        ("", 12, "line_too_long"),
        ("", 13, "unclosed_quote"),
        ("", 14, "wrong_number_of_fields"),
    ]
    assert faults(found)[-2:] == [("", 1514, "empty"), ("", 1515, "unclosed_quote")]


def test_a_file_without_the_column_is_one_fault(tmp_path: Path) -> None:
    assert faults(read(tmp_path, "a.csv", b"id,body\n1,x\n2,y\n")) == [("", 0, "missing_column")]
    assert texts(read(tmp_path, "a.csv", b"id,body\n1,x\n", text_field="body")) == ["x"]


def test_a_quote_that_stays_open_for_100_mb_is_not_held(tmp_path: Path) -> None:
    def lines() -> list[bytes]:
        return [b'id,text\n1,"', *[b"x" * 9999 + b"\n"] * 10_000, b"\n2,end\n"]

    tracemalloc.start()
    found = list(csv_rows(iter(lines()), delimiter=None, columns=None, wanted="text", limit=2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 10_001 and not isinstance(found[-1], Fault)
    assert peak < 20 * 2**20
