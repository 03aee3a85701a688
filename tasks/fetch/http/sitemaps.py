"""Sitemaps: what they list, and the indexes that list further ones (the protocol of sitemaps.org)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.parsers import expat

from tasks.fetch.http.decoding import BLOCK_BYTES, decoded
from tasks.fetch.http.urls import MAX_URL_CHARACTERS

MAX_SITEMAP_BYTES = 64 * 1024**2
"""The protocol allows 50 MiB, decompressed."""
MAX_DEPTH = 4
"""The protocol allows an index to list sitemaps only; some servers nest them."""

_MAX_LASTMOD_CHARACTERS = 40
_ENTRY = {"urlset": "url", "sitemapindex": "sitemap"}
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")
_CHINESE = {"gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5", "big5-hkscs": "big5hkscs"}
_DAY = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


@dataclass(slots=True)
class Sitemap:
    """What one sitemap lists.

    Attributes:
        urls: Addresses of pages as written, with `lastmod` (empty if there is none).
        sitemaps: Addresses of further sitemaps.
        fault: Why the rest could not be read; empty: it was read whole.
    """

    urls: list[tuple[str, str]] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    fault: str = ""


def read_sitemap(file: Path, *, max_ratio: int, max_urls: int) -> Sitemap:
    """Reads a sitemap: XML or lines of text, either of them plain or gzip. No more than `max_urls` are read.

    Raises:
        DecodingFault: It is compressed and damaged, too large or a bomb; nothing of it is used.
    """
    found = Sitemap()
    blocks: Iterable[bytes] = _blocks(file)
    start = next(_blocks(file), b"")
    if start.startswith(b"\x1f\x8b"):
        limits = {"encoded_bytes": file.stat().st_size, "max_bytes": MAX_SITEMAP_BYTES, "max_ratio": max_ratio}
        start = next(decoded(_blocks(file), ["gzip"], **limits), b"")
        blocks = decoded(blocks, ["gzip"], **limits)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"<", b"") or start.startswith((b"\xff\xfe", b"\xfe\xff")):
        _read_xml(*_in_utf8(blocks, start), found, max_urls)
    else:
        _read_lines(blocks, found, max_urls)
    return found


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb", buffering=0) as opened:
        while block := opened.read(BLOCK_BYTES):
            yield block


class _Refused(Exception):
    """A document that is not read on."""


class _Elements:
    """Takes the events of the parser. Only what stands where the protocol puts it counts: images have a `loc` too."""

    def __init__(self, found: Sitemap, max_urls: int) -> None:
        self._found = found
        self._max_urls = max_urls
        self._path: list[str] = []
        self._depth = 0
        self._namespace = ""
        self._text: list[str] | None = None
        self._characters = 0
        self._loc = self._lastmod = ""

    def start(self, name: str, attributes: object) -> None:
        namespace, _, local = name.rpartition(" ")
        self._depth += 1
        if self._depth == 1:
            if local not in _ENTRY:
                raise _Refused(f"its root is <{local[:40]}>, neither <urlset> nor <sitemapindex>")
            self._namespace = namespace
        if self._depth <= 3:
            del self._path[self._depth - 1 :]
            self._path.append(local if namespace == self._namespace else "")
        if self._depth == 2:
            self._loc = self._lastmod = ""
        if self._depth == 3 and local in ("loc", "lastmod") and self._in_entry():
            self._text, self._characters = [], 0

    def _in_entry(self) -> bool:
        return self._path[1] == _ENTRY[self._path[0]] and bool(self._path[2])

    def text(self, text: str) -> None:
        if self._text is not None and self._characters <= MAX_URL_CHARACTERS:
            self._characters += len(text)
            self._text.append(text)

    def end(self, name: str) -> None:
        if self._depth == 3 and self._text is not None:
            text = "".join(self._text).strip()
            if self._path[2] == "loc":
                self._loc = text
            elif len(text) <= _MAX_LASTMOD_CHARACTERS:
                self._lastmod = text
            self._text = None
        elif self._depth == 2 and self._loc and self._path[1] == _ENTRY[self._path[0]]:
            if self._path[0] == "sitemapindex":
                self._found.sitemaps.append(self._loc)
            else:
                self._found.urls.append((self._loc, self._lastmod))
            if len(self._found.urls) > self._max_urls:
                raise _Refused("it lists more addresses than `max_urls`")
        self._depth -= 1


def _in_utf8(blocks: Iterable[bytes], start: bytes) -> tuple[Iterable[bytes], str | None]:
    """Turns what the parser does not know, the encodings of Chinese, into UTF-8; returns the encoding to read with."""
    declared = _DECLARED.match(start)
    name = declared.group(1).decode().lower() if declared else ""
    encoding = _CHINESE.get(name)
    return (blocks, None) if encoding is None else (_recoded(blocks, encoding), "utf-8")


def _recoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _read_xml(blocks: Iterable[bytes], encoding: str | None, found: Sitemap, max_urls: int) -> None:
    parser = expat.ParserCreate(encoding=encoding, namespace_separator=" ")
    parser.buffer_text = True
    elements = _Elements(found, max_urls)
    parser.StartElementHandler = elements.start
    parser.EndElementHandler = elements.end
    parser.CharacterDataHandler = elements.text

    def refuse(*_: object) -> None:
        # No sitemap has one, and all that XML bombs and inclusions of foreign files are made of stands in it.
        raise _Refused("it has a document type declaration")

    parser.StartDoctypeDeclHandler = refuse
    try:
        for block in blocks:
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        found.fault = f"line {error.lineno}: {expat.ErrorString(error.code)}"
    except UnicodeDecodeError as error:
        found.fault = f"it is not {error.encoding}: {error.reason}"
    except (ValueError, LookupError):
        found.fault = "its encoding is unknown"
    except _Refused as refused:
        found.fault = str(refused)


def _read_lines(blocks: Iterable[bytes], found: Sitemap, max_urls: int) -> None:
    """The protocol also allows plain text, one address a line."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in (*lines, b""):
            text = line.decode("utf-8", "surrogateescape").strip("\ufeff \t\r")
            if text:
                found.urls.append((text, ""))
        if len(rest) > MAX_URL_CHARACTERS * 4 or len(found.urls) > max_urls:
            found.fault = "it has lines beyond measure" if rest else "it lists more addresses than `max_urls`"
            return
    text = rest.decode("utf-8", "surrogateescape").strip("\ufeff \t\r")
    if text:
        found.urls.append((text, ""))


def is_settled(lastmod: str, wall: float) -> bool:
    """Tells whether the time that a `lastmod` names was over, everywhere on earth, at a moment (seconds since 1970).

    Only then does an equal `lastmod` at the next look mean that nothing has changed since.
    """
    day = _DAY.fullmatch(lastmod)
    try:
        if day:
            if len(lastmod) < 10:  # a month or a year says too little
                return False
            over = datetime.fromisoformat(lastmod).replace(tzinfo=UTC) + timedelta(days=1, hours=14)
        else:
            moment = datetime.fromisoformat(lastmod)
            offset = timedelta(hours=14) if moment.tzinfo is None else timedelta(hours=1)
            over = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + offset
        return over.timestamp() <= wall
    except (ValueError, OverflowError):
        return False
