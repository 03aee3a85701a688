"""Web archives: the pages of `response` records and the texts of `conversion` records, each with its address.

FastWARC reads a record: its headers, those of HTTP, and the body out of its transfer and content encodings. It stops at
the first record that is damaged, so records are told apart here: every one begins with `WARC/`, and the next begins
where its stated length ends. If it does not, or if a member of a .gz is damaged, that record is a fault, and reading
goes on at the next place where one begins, looked for from inside the damaged one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from tasks.readers.decompression import BrokenFile
from tasks.readers.encodings import decode
from tasks.readers.faults import Fault, Skip, brief

MAX_HEADER_BYTES = 32 * 1024
HTTP_OK = 200
PAGES = {"text/html": "html", "application/xhtml+xml": "html", "text/plain": "text"}

_START = re.compile(rb"WARC/1\.\d\r?\n")
_START_BYTES = len(b"WARC/1.1\r\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r?\n", re.I)
_TYPE = re.compile(rb"\nwarc-type:[ \t]*(response|conversion)[ \t]*\r?\n", re.I)
_HEADERS_END = b"\r\n\r\n"
_BETWEEN = b"\r\n \t\0"
_LOOK_AHEAD = 64


class Page(NamedTuple):
    """A record that is a document. `number` counts all records of the file from 1."""

    number: int
    text: str
    format: str
    url: str
    date: str


def warc_pages(blocks: Iterable[bytes | BrokenFile], limit: int) -> Iterator[Page | Fault | Skip]:
    """Yields the pages and texts of a web archive in order.

    Args:
        blocks: The content, decompressed. A `BrokenFile` among them stands for what cannot be read.
        limit: Longer bodies are faults, in bytes.
    """
    for number, found in enumerate(_records(blocks, limit + MAX_HEADER_BYTES), 1):
        if isinstance(found, Fault):
            yield Fault(number, found.reason, found.detail)
        elif _TYPE.search(found, 0, MAX_HEADER_BYTES):
            yield _page(number, found, limit)


def _page(number: int, data: bytes, limit: int) -> Page | Fault | Skip:
    try:
        record = WarcRecord.from_bytes(data)
        conversion = record.record_type == WarcRecordType.conversion
        if conversion:
            media, charset = record.headers.get("Content-Type", "") or "", None
        else:
            record.parse_http(auto_decode="all", strict_mode=False)
            if not record.is_http_parsed:  # Of another protocol, such as the answer of a name server.
                return Skip("content_type")
            if record.http_headers.status_code != HTTP_OK:
                return Skip("http_status")
            media, charset = record.http_content_type or "", record.http_charset
        format = PAGES.get(media.split(";")[0].strip().lower())
        if format is None:
            return Skip("content_type")
        body = _body(record, limit)
        url = record.headers.get("WARC-Target-URI") or record.record_id or ""
        date = record.headers.get("WARC-Date") or ""
    except (OSError, ValueError, RuntimeError, OverflowError) as error:
        return Fault(number, "broken_record", brief(error))
    if body is None:
        return Fault(number, "record_too_large", f"more than {limit} bytes")
    decoded = decode(body, declared=charset, html=format == "html")
    if isinstance(decoded, Fault):
        return Fault(number, decoded.reason, f"{url}: {decoded.detail}")
    return Page(number, decoded[0], format, url.strip("<>"), date.strip())


def _body(record: WarcRecord, limit: int) -> bytes | None:
    pieces: list[bytes] = []
    size = 0
    while piece := record.reader.read(min(limit + 1, 1 << 20)):
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
    return b"".join(pieces)


class _Window:
    """What was read of a stream and not used yet, up to damage or the end."""

    def __init__(self, blocks: Iterator[bytes | BrokenFile]) -> None:
        self.data = bytearray()
        self.damage: BrokenFile | None = None
        self.ended = False
        self._blocks = blocks

    def fill(self, size: int) -> bool:
        """Reads until there are `size` bytes; tells whether there are."""
        while len(self.data) < size and not (self.ended or self.damage):
            try:
                block = next(self._blocks, None)
            except BrokenFile as broken:
                self.damage = broken
                self.ended = True
                break
            if block is None:
                self.ended = True
            elif isinstance(block, BrokenFile):
                self.damage = block
            else:
                self.data += block
        return len(self.data) >= size

    def drop(self, size: int) -> None:
        """Passes over bytes that were read."""
        del self.data[:size]

    def go_on(self) -> None:
        """Goes on behind damage: nothing that lies before it belongs to what follows."""
        self.data.clear()
        self.damage = None


def _records(blocks: Iterable[bytes | BrokenFile], limit: int) -> Iterator[bytes | Fault]:
    window = _Window(iter(blocks))
    excused = False  # True after a fault: the bytes up to the next record belong to it.
    while True:
        garbage = _to_start(window)
        if garbage and not excused:
            yield Fault(0, "not_warc", f"{garbage} bytes that belong to no record")
        excused = bool(garbage) or excused
        if window.data:
            found = _record(window, limit)
            excused = not isinstance(found, bytes)
            if found is not None:
                yield found
        elif window.damage is not None:
            if not excused:
                yield window.damage.fault(0)
            if window.ended:
                return
            window.go_on()
            excused = True
        elif window.ended:
            return


def _record(window: _Window, limit: int) -> bytes | Fault | None:
    """Takes a record off the window, or enough of a damaged one that the next can be looked for."""
    window.fill(MAX_HEADER_BYTES)
    end = window.data.find(_HEADERS_END, 0, MAX_HEADER_BYTES)
    if end >= 0 and _START.search(window.data, 1, end):
        end = -1  # It has the next record's header.
    stated = _LENGTH.search(window.data, 0, end + 2) if end >= 0 else None
    if stated is None:
        window.drop(1)
        if window.damage is not None and end < 0:
            return window.damage.fault(0)
        return Fault(0, "broken_record", "no end of its header" if end < 0 else "no length")
    length = int(stated[1])
    size = end + len(_HEADERS_END) + length
    if size > limit:
        # The length may be a lie: the next record is looked for, not jumped to.
        wanted = _TYPE.search(window.data, 0, end + 2) is not None
        window.drop(end)
        return Fault(0, "record_too_large", f"{length} bytes") if wanted else None
    window.fill(size + _LOOK_AHEAD)
    if len(window.data) < size:
        window.drop(1)
        return window.damage.fault(0) if window.damage else Fault(0, "broken_record", "the file ends inside of it")
    after = bytes(window.data[size : size + _LOOK_AHEAD])
    if not after.startswith(_HEADERS_END) and after.strip(_BETWEEN)[:5] not in (b"", b"WARC/"):
        window.drop(1)
        return Fault(0, "broken_record", "it does not end where it says")
    record = bytes(window.data[:size])
    window.drop(size)
    return record


def _to_start(window: _Window) -> int:
    """Passes over everything up to the next record; returns how many bytes that were more than white space."""
    passed = 0
    while window.fill(1):
        window.drop(len(window.data) - len(window.data.lstrip(_BETWEEN)))
        window.fill(_LOOK_AHEAD)
        found = _START.search(window.data)
        if found is not None:
            start = found.start()
            window.drop(start)
            return passed + start
        # The last bytes may be the beginning of a record's first line.
        spare = 0 if window.ended or window.damage else _START_BYTES
        step = max(0, len(window.data) - spare)
        passed += step
        window.drop(step)
    return passed
