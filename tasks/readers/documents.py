"""Files of every format to documents: the one way in for `collect`.

A file is read by its format and its name, never by what it is called in the place where its bytes lie. Whatever cannot
be read is a `Fault`, what is left out on purpose a `Skip`; neither ends the file they stand in, unless it says so.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from schemas.config.formats import FileFormat, Reading
from tasks.readers.decompression import BrokenFile, Limits, decompressed, salvaged_gzip
from tasks.readers.encodings import decode
from tasks.readers.faults import Fault, Skip
from tasks.readers.formats import ARCHIVES, archive_of, compression_of, format_of
from tasks.readers.members import Member
from tasks.readers.opened import OpenedFile, open_checked, read_checked
from tasks.readers.records import Record, json_lines

TEXTS = frozenset(("text", "markdown", "rst", "html"))
"""Formats of which a file is one document."""

MAX_PARQUET_MEMBER_BYTES = 64 * 1024**2
"""A Parquet file in an archive is held in memory, since it is not read from front to back."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z)?\Z")
_HIDDEN = (".", "__MACOSX")


class Text(NamedTuple):
    """One document.

    Attributes:
        text: As read, markup included.
        offset: Number of the record in its file or member, from 0.
        line: Where faults of it are shown, as in `Fault`.
        format: Markup of the text.
        licence: Empty where none is known.
        origin: What the record, or else the file, says it comes from.
        member: As in `Fault`.
        date: When it was captured (WARC) or last edited (Wikimedia); empty where nothing says so.
    """

    text: str
    offset: int
    line: int
    format: str
    licence: str
    origin: str
    member: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a file before it is opened.

    Attributes:
        path: Where its bytes lie.
        name: Its path in its source: the suffix tells how it is compressed.
        locator: How errors call it.
        format: What it holds.
        sha256: Digest of its bytes.
        size: Bytes.
        licence: Of documents that name none.
        origin: Of documents that name none.
    """

    path: Path
    name: str
    locator: str
    format: FileFormat
    sha256: str
    size: int
    licence: str = ""
    origin: str = ""


Found = Text | Fault | Skip


def read_documents(source: Source, reading: Reading) -> Iterator[Found]:
    """Yields a file's documents in order, and what of it cannot be or is not read.

    Raises:
        StageFailed: The file is not the one that its digest was taken of. Raised at the end: drop what came before.
    """
    for found in _found(source, reading):
        if not isinstance(found, Text):
            yield found
        elif not found.text or found.text.isspace():
            yield Fault(found.line, "empty", "", found.member)
        elif not found.licence:
            detail = "neither its record, the source's metadata nor the source names one"
            yield Fault(found.line, "no_licence", detail, found.member)
        else:
            yield found


def _found(source: Source, reading: Reading) -> Iterator[Found]:
    checked = {"locator": source.locator, "sha256": source.sha256}
    limit = reading.max_record_bytes
    archive = archive_of(source.name) if reading.format != "auto" else None
    format = archive or source.format
    compression = compression_of(source.name)
    if format in TEXTS and compression is None:
        if source.size > limit:
            yield _too_large(limit)
        else:
            yield _whole(read_checked(source.path, size=source.size, **checked), format, source)
    elif format == "parquet":
        from tasks.readers.parquet_rows import parquet_rows

        with open_checked(source.path, **checked) as stream:
            limits = Limits(reading.max_ratio, reading.max_file_bytes)
            yield from _texts(parquet_rows(stream, source.size, _fields(reading), limits), reading, source)
    elif format == "zip":
        from tasks.readers.zip_members import zip_members

        whole = Limits(reading.max_ratio, reading.max_file_bytes)
        with open_checked(source.path, **checked) as stream:
            members = zip_members(
                stream, size=source.size, max_members=reading.max_members, member=_member_limits(reading), whole=whole
            )
            yield from _archive(members, source, reading)
    else:
        limits = Limits(reading.max_ratio, reading.max_file_bytes)
        with OpenedFile(source.path, **checked) as file:
            if format == "tar":
                from tasks.readers.tar_members import tar_members

                blocks = file.blocks(compression, limits)
                members = tar_members(blocks, max_members=reading.max_members, limits=_member_limits(reading))
                yield from _archive(members, source, reading)
            else:
                yield from _stream(file.raw(), source.name, format, limits, source, reading)


def _archive(members: Iterable[Member | Fault], source: Source, reading: Reading) -> Iterator[Found]:
    forced = None if reading.format == "auto" or reading.format in ARCHIVES else reading.format
    empty = True
    for member in members:
        if isinstance(member, Fault):
            empty = False
            yield member
            continue
        name = member.name
        if any(part.startswith(_HIDDEN) for part in name.split("/")):
            continue
        if archive_of(name):
            empty = False
            yield Fault(0, "nested_archive", "an archive inside an archive is not entered: unpack it", name)
            continue
        format = forced or format_of(name)
        if format is None:
            continue
        empty = False
        for found in _member(member, format, source, reading):
            if isinstance(found, Text):
                yield found._replace(member=name)
            else:
                yield found if isinstance(found, Skip) else replace(found, member=name)
    if empty:
        yield Fault(0, "no_documents", "no member has a suffix that is known")


def _member(member: Member, format: FileFormat, source: Source, reading: Reading) -> Iterator[Found]:
    limits = _member_limits(reading)
    if format != "parquet":
        yield from _stream(member.blocks, member.name, format, limits, source, reading)
        return
    from tasks.readers.parquet_rows import parquet_rows

    data = _bytes(member.blocks, MAX_PARQUET_MEMBER_BYTES)
    if isinstance(data, Fault):
        yield data
    else:
        rows = parquet_rows(io.BytesIO(data), len(data), _fields(reading), limits)
        yield from _texts(rows, reading, source)


def _stream(
    raw: Iterable[bytes], name: str, format: FileFormat, limits: Limits, source: Source, reading: Reading
) -> Iterator[Found]:
    """Yields the documents of a file or member that is read from front to back, decompressed by its name."""
    limit = reading.max_record_bytes
    compression = compression_of(name)
    if format == "warc":
        from tasks.readers.warc import Page, warc_pages

        content = salvaged_gzip(raw, limits) if compression == "gzip" else decompressed(raw, compression, limits)
        for page in warc_pages(content, limit):
            if isinstance(page, Page):
                number = page.number
                origin = page.url or source.origin
                yield Text(page.text, number - 1, number, page.format, source.licence, origin, date=_date(page.date))
            else:
                yield page
        return
    blocks = decompressed(raw, compression, limits)
    if format in TEXTS:
        data = _bytes(blocks, limit)
        yield data if isinstance(data, Fault) else _whole(data, format, source)
    elif format == "jsonl":
        yield from _texts(json_lines(blocks, limit), reading, source)
    elif format == "csv":
        from tasks.readers.csv_rows import csv_rows

        delimiter = None if reading.csv_delimiter == "auto" else reading.csv_delimiter
        if delimiter is None and ".tsv" in name.lower():
            delimiter = "\t"
        rows = csv_rows(
            blocks, delimiter=delimiter, columns=reading.csv_columns, wanted=reading.text_field, limit=limit
        )
        yield from _texts(rows, reading, source)
    elif format == "wikimedia":
        from tasks.readers.wikimedia import WikiPage, wiki_pages

        for found in wiki_pages(blocks, namespaces=reading.wiki_namespaces, variant=reading.wiki_variant, limit=limit):
            if isinstance(found, WikiPage):
                number = found.number
                origin = found.url or source.origin
                yield Text(found.text, number - 1, number, "text", source.licence, origin, date=_date(found.date))
            else:
                yield found
    else:
        yield Fault(0, "unexpected_format", f"{format} in a compressed file: decompress it")


def _whole(data: bytes, format: str, source: Source) -> Text | Fault:
    decoded = decode(data, html=format == "html")
    if isinstance(decoded, Fault):
        return decoded
    return Text(decoded[0], 0, 0, format, source.licence, source.origin)


def _texts(records: Iterable[Record | Fault], reading: Reading, source: Source) -> Iterator[Text | Fault]:
    """Yields the documents of records, each with its own licence and origin where it has them."""
    field, limit, format = reading.text_field, reading.max_record_bytes, reading.record_format
    licence_field, origin_field = reading.licence_field, reading.origin_field
    for record in records:
        if isinstance(record, Fault):
            yield record
            continue
        get = record.fields.get
        text = get(field)
        line = record.line
        if not isinstance(text, str):
            yield (
                Fault(line, "missing_field", f"no {field!r}")
                if text is None
                else Fault(line, "not_a_text", f"{field!r} is a {type(text).__name__}")
            )
        elif len(text) > limit // 4 and len(text.encode()) > limit:
            yield Fault(line, "record_too_large", f"more than {limit} bytes")
        else:
            yield Text(
                text,
                line - 1,
                line,
                format,
                _named(get(licence_field)) or source.licence,
                _named(get(origin_field)) or source.origin,
            )


def _date(value: str) -> str:
    return value if _DATE.match(value) else ""


def _named(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _fields(reading: Reading) -> tuple[str, ...]:
    return reading.text_field, reading.licence_field, reading.origin_field


def _member_limits(reading: Reading) -> Limits:
    return Limits(reading.max_ratio, reading.max_member_bytes)


def _bytes(blocks: Iterable[bytes], limit: int) -> bytes | Fault:
    """Returns the whole content; half of a broken file is no document, so nothing of it is kept."""
    pieces: list[bytes] = []
    size = 0
    try:
        for block in blocks:
            size += len(block)
            if size > limit:
                return _too_large(limit)
            pieces.append(block)
    except BrokenFile as broken:
        return broken.fault(0)
    return b"".join(pieces)


def _too_large(limit: int) -> Fault:
    return Fault(0, "file_too_large", f"more than {limit} bytes")
