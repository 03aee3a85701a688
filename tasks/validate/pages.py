"""Great Expectations' Data Docs as one page that loads nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView

_ELSEWHERE = re.compile(r"<(script|style|iframe|form|footer)\b.*?</\1>|<(?:link|img)\b[^>]*>", re.S | re.I)
_ADDRESS = re.compile(r"""\b(?:href|src|action)\s*=\s*(?:"https?:[^"]*"|'https?:[^']*')""", re.I)

STYLE = (
    "<style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}</style>"
)


POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="referrer" content="no-referrer">'
)
"""Values of documents stand in these pages: whatever they look like, nothing runs and nothing is fetched."""


def render(results: Sequence[Any]) -> Iterator[str]:
    """Yields the page of each table's result; what it would load or post elsewhere is left out."""
    view: Any = DefaultJinjaPageView()  # one for all: it compiles some 20 templates
    for result in results:
        page: str = view.render(ValidationResultsPageRenderer().render(result))
        page = _ADDRESS.sub("", _ELSEWHERE.sub("", page))
        yield page.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{STYLE}</head>", 1)
