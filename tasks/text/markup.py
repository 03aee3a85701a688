"""HTML to text.

resiliparse's own main-content heuristic was tried and left: on 100 help pages it lost closing brackets and list items
of Chinese text, which are short, and it read nested markup at 0.3 MB/s where plain extraction reads 24 to 45. Here the
page itself says what is navigation (elements, roles, and the class names of the common documentation generators), and
its one `main` element, where there is one, bounds the content.

Two things are put right in the source before. A cell that holds a paragraph, as documentation generators write them,
would end its row: of 12,700 cells in 950 pages of manuals, 5,400 were so. And a line break between two Chinese
characters is no space (CSS Text 3, section 4.1.3): these pages had 7,500 of them. On such pages that takes the speed
from 27 to 11 MB/s.
"""

from __future__ import annotations

import re
from typing import Any

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from schemas.config.clean import HtmlConfig

NEVER_TEXT = [
    "rt",  # ruby annotations would stand between the characters that they explain
    "rp",
    "button",
    "a.headerlink",  # the pilcrow behind Sphinx headings
    "[hidden]",
    "[style*='display:none']",
    "[style*='display: none']",
]
NAVIGATION = [
    "nav",
    "aside:not([class*='note'])",  # notes and footnotes are content
    "body > header",
    "body > footer",
    "[role=navigation]",
    "[role=search]",
    "[role=banner]",
    "[role=contentinfo]",
    ".breadcrumbs",
    ".sphinxsidebar",  # Sphinx
    ".related",
    ".navheader",  # DocBook
    ".navfooter",
    ".docnav",  # Publican
]
MAIN = ("main", "[role=main]", "article")
"""Where content lies, from the most certain; an element counts only if the page has just one of its kind."""

_CELL_BORDERS = re.compile(r"\t{2,}")
_CELL_START = re.compile(r"(<t[dh]\b[^<>]*>)\s*<p\b[^<>]*>", re.I)
_CELL_END = re.compile(r"</p>\s*(?=</t[dh]\b)", re.I)
_WIDE = "\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003134f"
_BREAK = re.compile(rf"<(?P<end>/?)pre\b|(?<=[{_WIDE}])[ \t\r]*\n\s*(?=[{_WIDE}])", re.I)
"""Where preformatted text begins or ends, or a line break between two characters that take no space."""


def html_to_text(page: str, config: HtmlConfig) -> str:
    """Returns a page's text: blocks as paragraphs, list bullets, entities resolved, preformatted text as it stands."""
    page = _CELL_END.sub("", _CELL_START.sub(r"\1", page))
    tree = HTMLTree.parse(page if page.isascii() else _without_breaks(page))
    title = " ".join((tree.title or "").split()) if config.title else ""
    skip = NEVER_TEXT + NAVIGATION if config.main_content else NEVER_TEXT
    text = ""
    heading = False
    main = _main_element(tree) if config.main_content else None
    if main is not None:
        text = _extract(main.html, skip)
        heading = main.query_selector("h1") is not None
    if not text:
        text = _extract(tree, skip)
        heading = tree.document is not None and tree.document.query_selector("h1") is not None
    if title and text and not heading and title not in text.split("\n"):
        return f"{title}\n\n{text}"
    return text


def _without_breaks(page: str) -> str:
    """Removes line breaks between Chinese or Japanese characters, where they are no part of preformatted text."""
    kept: list[str] = []
    start = 0
    preformatted = False
    for found in _BREAK.finditer(page):
        if found["end"] is not None:
            preformatted = not found["end"]
        elif not preformatted:
            kept.append(page[start : found.start()])
            start = found.end()
    return "".join(kept) + page[start:]


def _main_element(tree: HTMLTree) -> Any:
    if tree.body is None:
        return None
    for selector in MAIN:
        found = tree.body.query_selector_all(selector)
        if len(found) == 1:
            return found[0]
    return None


def _extract(page: str | HTMLTree, skip: list[str]) -> str:
    text = extract_plain_text(page, preserve_formatting=True, alt_texts=False, skip_elements=skip)
    return _CELL_BORDERS.sub("\t", text).strip()
