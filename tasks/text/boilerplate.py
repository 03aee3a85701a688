"""The file in which `boilerplate` leaves a source's lines and `clean` finds them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.arrays.utf8 import U64, as_bytes
from tasks.tables.parquet import read_table
from tasks.text.lines import lines_of

LINES = pa.schema(
    [
        pa.field("line", pa.large_string(), nullable=False),  # without the white space around it
        pa.field("documents", pa.int64(), nullable=False),  # of those looked at, how many have it
    ]
)
"""Rows sorted by line."""


def read_hashes(path: Path) -> U64:
    """Returns the hashes of a table's lines, sorted."""
    import polars as pl

    texts = pl.from_arrow(read_table([path], LINES)["line"])
    assert isinstance(texts, pl.Series)
    return np.unique(lines_of(*as_bytes(texts)).hashes)
