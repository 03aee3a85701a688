"""Wikimedia's XML dumps: each page of the chosen namespaces as text, with its address.

A dump is cut where pages end, which a page's text cannot contain, and each page is parsed by itself: memory is bounded
by the longest page, a damaged page costs that page and no other, and since no page ever stands below a document type,
no entity but XML's own five exists. A dump that brings a document type is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote
from xml.parsers import expat

from tasks.readers.decompression import BrokenFile
from tasks.readers.faults import Fault, Skip, brief
from tasks.readers.lines import as_utf8, bounded_pieces
from tasks.readers.wikitext import plain_text

MARKUP_RATIO = 4
"""A page is read if its XML, history and all, is at most so many times as long as a document may be."""

_PAGE_END = b"</page>"
_PAGE = re.compile(rb"<page[\s>]")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.I)
_BASE = re.compile(rb"<base>\s*(https?://[^<>\s]{1,300}/)[^<>/]{0,300}</base>")
_LANGUAGE = re.compile(rb"""<mediawiki[^<>]{0,2000}?\sxml:lang\s*=\s*["']([\w-]{1,30})["']""")
_HEAD_BYTES = 16 * 1024
_ADDRESS_SAFE = "/:@!$*(),;~'"


class WikiPage(NamedTuple):
    """A page that is a document. `number` counts all pages of the dump from 1."""

    number: int
    text: str
    url: str
    date: str


def wiki_pages(
    blocks: Iterable[bytes], *, namespaces: Collection[int], variant: str, limit: int
) -> Iterator[WikiPage | Fault | Skip]:
    """Yields the pages of a dump in order.

    Args:
        blocks: The dump, decompressed.
        namespaces: Pages of others are left out.
        variant: What `-{zh-hans:…;zh-hant:…}-` is resolved to in Chinese wikis.
        limit: Longer texts are faults, in bytes of wikitext.
    """
    number = 0
    complete = False
    try:
        blocks = iter(blocks)
        stream = as_utf8(next(blocks, b""), blocks)
        start = _beginning(stream)
        if not start:
            return
        base, chinese = _site(start)
        if b"<mediawiki" not in start:
            yield Fault(0, "not_a_dump", "neither a page nor the start of a dump")
            return
        for piece in bounded_pieces(itertools.chain((start,), stream), _PAGE_END, MARKUP_RATIO * limit):
            number += 1
            if piece is None:
                yield Fault(number, "page_too_large", f"more than {MARKUP_RATIO * limit} bytes of XML")
                continue
            page = _PAGE.search(piece)
            outside = piece[: page.start()] if page else piece
            if _DOCTYPE.search(outside):
                yield Fault(0, "doctype", "a dump has no document type or entities of its own; nothing more is read")
                return
            if piece.endswith(_PAGE_END):
                if page is None:
                    yield Fault(number, "broken_xml", "a page ends that did not begin")
                else:
                    yield _page(number, piece[page.start() :], base, namespaces, variant if chinese else "", limit)
            else:
                complete = page is None and b"</mediawiki>" in piece
                number -= 1
    except BrokenFile as broken:
        yield broken.fault(number + 1)
        return
    if not complete:
        yield Fault(number + 1, "broken_xml", "the dump ends before its end tag")


def _beginning(stream: Iterator[bytes]) -> bytes:
    """Returns the first bytes, in which a dump says what it is."""
    start = b""
    for block in stream:
        start += block
        if len(start) >= _HEAD_BYTES:
            break
    return start


def _site(start: bytes) -> tuple[str, bool]:
    """Returns what addresses of pages begin with, and whether the wiki is Chinese."""
    found = _BASE.search(start, 0, _HEAD_BYTES)
    language = _LANGUAGE.search(start, 0, _HEAD_BYTES)
    chinese = language is not None and language[1].startswith((b"zh", b"gan", b"wuu"))
    return (found[1].decode("utf-8", "replace") if found else ""), chinese


def _page(
    number: int, data: bytes, base: str, namespaces: Collection[int], variant: str, limit: int
) -> WikiPage | Fault | Skip:
    fields = _Fields()
    try:
        fields.parse(data)
    except (expat.ExpatError, UnicodeError) as error:
        return Fault(number, "broken_xml", brief(error))
    if fields.namespace.strip() not in map(str, namespaces):
        return Skip("namespace")
    if fields.redirect:
        return Skip("redirect")
    if len(fields.text) > limit or len(fields.text.encode()) > limit:
        return Fault(number, "page_too_large", f"more than {limit} bytes of wikitext")
    url = base + quote(fields.title.strip().replace(" ", "_"), _ADDRESS_SAFE)
    return WikiPage(number, plain_text(fields.text, variant), url, fields.date.strip())


class _Fields:
    """What is wanted of one page. Of a page with its history the last revision in the dump is."""

    def __init__(self) -> None:
        self.title = ""
        self.namespace = ""
        self.text = ""
        self.date = ""
        self.redirect = False
        self._depth = 0
        self._pieces: list[str] | None = None

    def parse(self, data: bytes) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(data, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if (self._depth == 2 and name in ("title", "ns")) or (self._depth == 3 and name in ("text", "timestamp")):
            self._pieces = []
        elif self._depth == 2 and name == "redirect":
            self.redirect = True

    def _characters(self, data: str) -> None:
        if self._pieces is not None:
            self._pieces.append(data)

    def _end(self, name: str) -> None:
        if self._pieces is not None:
            value = "".join(self._pieces)
            if name == "text":
                self.text = value
            elif name == "timestamp":
                self.date = value
            elif name == "title":
                self.title = value
            else:
                self.namespace = value
            self._pieces = None
        self._depth -= 1
