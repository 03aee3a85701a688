"""Rows of CSV files (RFC 4180): quoted fields may hold delimiters, doubled quotes and newlines.

Lines are put together to records by counting quotes, so a quote that is never closed, or one that stands where it may
not, costs its own line and no other: reading goes on with the next one. A line is looked at twice at most: if it opens
a quote, all that follow until the next odd number of quotes are whole records by themselves.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from tasks.readers.decompression import BrokenFile
from tasks.readers.encodings import decode_line, encoding_of_lines
from tasks.readers.faults import Fault, brief
from tasks.readers.lines import as_utf8, bounded_lines
from tasks.readers.records import Record

QUOTE = b'"'
DELIMITERS = (",", "\t", ";", "|")

csv.field_size_limit(2**31 - 1)  # Records are bounded before they are parsed.

Fields = list[str]


def csv_rows(
    blocks: Iterable[bytes], *, delimiter: str | None, columns: Sequence[str] | None, wanted: str, limit: int
) -> Iterator[Record | Fault]:
    """Yields the rows of a CSV file; a record's line is the one it begins in.

    Args:
        blocks: The file's bytes.
        delimiter: None: whichever gives the first line the field `wanted`, or the most fields.
        columns: Names of the columns; None: the first record has them.
        wanted: The field that will be used: without it the whole file is a fault.
        limit: Longer records are faults, in bytes.
    """
    line = 0
    names = None if columns is None else list(columns)
    try:
        blocks = iter(blocks)
        head = next(blocks, b"")
        for found in _records(bounded_lines(as_utf8(head, blocks), limit), _Parser(head, delimiter, wanted), limit):
            line = found.line if isinstance(found, Fault) else found[0]
            if isinstance(found, Fault):
                yield found
            elif names is None:
                names = [name.strip() for name in found[1]]
                if wanted not in names:
                    yield Fault(0, "missing_column", f"no {wanted!r}; if there is no header line, set `csv_columns`")
                    return
            elif len(found[1]) != len(names):
                yield Fault(line, "wrong_number_of_fields", f"{len(found[1])} in place of {len(names)}")
            else:
                yield Record(line, dict(zip(names, found[1], strict=True)))
    except BrokenFile as broken:
        yield broken.fault(line + 1)


class _Parser:
    """Bytes of one record to its fields."""

    def __init__(self, head: bytes, delimiter: str | None, wanted: str) -> None:
        self._encoding = encoding_of_lines(head)
        self._delimiter = delimiter
        self._wanted = wanted

    def __call__(self, data: bytes) -> Fields | Fault:
        text = decode_line(data, self._encoding)
        if isinstance(text, Fault):
            return text
        if self._delimiter is None:
            self._delimiter = max(DELIMITERS, key=lambda delimiter: _score(text, delimiter, self._wanted))
        return _split(text, self._delimiter)


def _score(first: str, delimiter: str, wanted: str) -> tuple[bool, int]:
    try:
        fields = next(csv.reader((first,), delimiter=delimiter), [])
    except csv.Error:
        return False, 0
    return wanted in [name.strip() for name in fields], len(fields)


def _split(record: str, delimiter: str) -> Fields | Fault:
    try:
        return next(csv.reader((record,), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return Fault(0, "not_csv", brief(error))


def _records(lines: Iterator[bytes | None], parse: _Parser, limit: int) -> Iterator[tuple[int, Fields] | Fault]:
    """Yields the line where each record begins, and its fields."""
    waiting: deque[bytes | None] = deque()
    number = 0
    while True:
        try:
            line = waiting.popleft() if waiting else next(lines)
        except StopIteration:
            return
        number += 1
        if line is None:
            yield Fault(number, "line_too_long", f"more than {limit} bytes")
            continue
        if not line or line == b"\r":
            continue
        found = parse(line)
        if isinstance(found, Fault) and line.count(QUOTE) % 2:
            rest, closed = _until_closed(lines, waiting, limit - len(line))
            if closed and sum(map(len, rest)) + len(line) > limit:
                found = Fault(number, "record_too_large", f"more than {limit} bytes")
            else:
                whole = parse(b"\n".join((line, *rest))) if closed else Fault(0, "unclosed_quote")
                if isinstance(whole, Fault):
                    waiting.extendleft(reversed(rest))
                    rest = []
                found = whole
            yield Fault(number, found.reason, found.detail) if isinstance(found, Fault) else (number, found)
            number += len(rest)
        else:
            yield Fault(number, found.reason, found.detail) if isinstance(found, Fault) else (number, found)


def _until_closed(lines: Iterator[bytes | None], waiting: deque[bytes | None], limit: int) -> tuple[list[bytes], bool]:
    """Takes the lines up to the next one with an odd number of quotes; tells whether there was one within the limit."""
    taken: list[bytes] = []
    size = 0
    while size <= limit:
        try:
            line = waiting.popleft() if waiting else next(lines)
        except StopIteration:
            break
        if line is None:
            waiting.appendleft(None)
            break
        taken.append(line)
        size += len(line) + 1
        if line.count(QUOTE) % 2:
            return taken, True
    return taken, False
