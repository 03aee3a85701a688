"""How much of anything is shown, so that no run makes the page large."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 1_000_000
"""Of the whole page: it goes through mail and opens on a phone."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one attempt at the page.

    Attributes:
        text: Characters of one text.
        lines: Texts in one list, such as the rejected rows of an error.
        rows: Rows of one table.
    """

    text: int
    lines: int
    rows: int


ATTEMPTS = (Bounds(text=600, lines=24, rows=200), Bounds(text=240, lines=8, rows=60), Bounds(text=80, lines=3, rows=20))
"""Tried in turn until the page is small enough; the first is enough for any run that is not out of hand."""


def cut(text: str, limit: int) -> str:
    """Returns a text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
