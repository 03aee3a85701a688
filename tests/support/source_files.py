"""Files in the formats of sources, made on the spot, and read as `collect` reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from schemas.config.formats import Reading
from tasks.readers.documents import Found, Source, Text, read_documents
from tasks.readers.faults import Fault
from tasks.readers.formats import format_of


def read(folder: Path, name: str, data: bytes, **settings: object) -> list[Found]:
    """Reads bytes as a file of that name, which lies in the folder under its digest alone, as objects do."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256
    path.write_bytes(data)
    reading = Reading.model_validate(settings)
    format = format_of(name) if reading.format == "auto" else reading.format
    assert format is not None
    return list(read_documents(Source(path, name, name, format, sha256, len(data), "MIT", "tests"), reading))


def texts(found: list[Found]) -> list[str]:
    """Returns the texts of documents; `name: text` for members of archives."""
    return [f"{one.member}: {one.text}" if one.member else one.text for one in found if isinstance(one, Text)]


def faults(found: list[Found]) -> list[tuple[str, int, str]]:
    """Returns (member, line, reason) of faults."""
    return [(one.member, one.line, one.reason) for one in found if isinstance(one, Fault)]


def warc_record(
    url: str,
    body: bytes,
    *,
    media: str = "text/html; charset=utf-8",
    headers: str = "",
    status: str = "200 OK",
    type: str = "response",
) -> bytes:
    """Returns one record."""
    content = body
    if type == "response":
        content = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\n{headers}\r\n".encode() + body
        media = "application/http; msgtype=response"
    return (
        (
            f"WARC/1.1\r\nWARC-Type: {type}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
            f"WARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\nContent-Type: {media}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        ).encode()
        + content
        + b"\r\n\r\n"
    )


def wiki_dump(*pages: str, language: str = "zh", before: str = "") -> bytes:
    """Returns a dump of pages given as XML."""
    return (
        f'{before}<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="{language}">\n<siteinfo>'
        f"<base>https://{language}.wikipedia.org/wiki/Main_Page</base></siteinfo>\n{''.join(pages)}</mediawiki>\n"
    ).encode()


def wiki_page(title: str, text: str, *, namespace: int = 0, redirect: bool = False) -> str:
    """Returns a page; `text` is already escaped."""
    target = '<redirect title="Elsewhere" />' if redirect else ""
    return (
        f"<page><title>{title}</title><ns>{namespace}</ns><id>7</id>{target}<revision><id>9</id><timestamp>2026-01-02T03:04:05Z</timestamp><contributor><id>1</id>"
        f'</contributor><text bytes="3" xml:space="preserve">{text}</text></revision></page>\n'
    )


def zip_archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Returns a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def tar_archive(members: Mapping[str, bytes | str]) -> bytes:
    """Returns a tar archive; a member given as a text is a symbolic link there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            if isinstance(data, str):
                header.type, header.linkname = tarfile.SYMTYPE, data
                archive.addfile(header)
            else:
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    """Returns two gzip members that hold the data together."""
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
