"""Traditional Chinese characters to simplified ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

_SEPARATOR = "\0"
"""Stands in no normalised text and in no phrase of OpenCC's."""

_MAX_ROUNDS = 4
"""What was simplified may be part of another phrase: of 10,521 classical texts 31 changed in a second round, none in a
third."""


def simplify(texts: pl.Series) -> pl.Series:
    """Writes the texts that hold Han characters in simplified ones; again changes nothing.

    OpenCC converts one string a call, so all texts of a batch become one.
    """
    rows = texts.str.contains(r"\p{Han}").arg_true()
    for _ in range(_MAX_ROUNDS):
        if rows.is_empty():
            break
        before = texts.gather(rows)
        after = pl.Series(_converter().convert(_SEPARATOR.join(before)).split(_SEPARATOR))
        changed = before != after
        rows = rows.filter(changed)
        texts = texts.scatter(rows, after.filter(changed))
    return texts


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
