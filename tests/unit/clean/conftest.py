"""Rows as `collect` leaves them, for the tests of `clean`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import polars as pl
import pytest

Row = dict[str, object]


def collected(text: str, *, format: str = "text", source: str = "docs", offset: int = 0) -> Row:
    """One document as collected."""
    return {
        "id": hashlib.sha256(f"{source} {offset} {text}".encode()).hexdigest()[:32],
        "source": source,
        "path": "all.jsonl",
        "offset": offset,
        "licence": "MIT",
        "origin": "tests 1",
        "first_seen": "2026-11-22",
        "date": "",
        "format": format,
        "text": text,
    }


@pytest.fixture
def documents() -> Callable[..., pl.DataFrame]:
    """Makes a table of documents from texts."""

    def make(texts: list[str], format: str = "text", source: str = "docs") -> pl.DataFrame:
        rows = [collected(text, format=format, source=source, offset=i) for i, text in enumerate(texts)]
        return pl.DataFrame(rows)

    return make
