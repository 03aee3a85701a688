"""Rows as `collect` leaves them, for the tests of `clean`."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from collected_rows import collected


@pytest.fixture
def documents() -> Callable[..., pl.DataFrame]:
    """Makes a table of documents from texts."""

    def make(texts: list[str], format: str = "text", source: str = "docs") -> pl.DataFrame:
        rows = [collected(text, format=format, source=source, offset=i) for i, text in enumerate(texts)]
        return pl.DataFrame(rows)

    return make
