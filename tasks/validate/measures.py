"""The tables that expectations are about. Texts are measured a row group at a time and never leave this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.tables.parquet import iterate_tables

COLUMNS = ["id", "source", "path", "offset", "licence", "language", "cluster", "text"]


def measure(splits: Mapping[str, Sequence[Path]]) -> dict[str, pl.DataFrame]:
    """Returns the tables `documents` and `splits`; see `schemas.expectations.COLUMNS`.

    Memory: about 300 bytes a document.
    """
    measured = [
        _measured(frame, split)
        for split, paths in splits.items()
        for path in paths
        for table in iterate_tables(path, COLUMNS)
        if isinstance(frame := pl.from_arrow(table), pl.DataFrame)
    ]
    documents = pl.concat(measured) if measured else _measured(pl.DataFrame(schema=_SCHEMA), "train")
    documents = documents.with_columns(
        splits_of_id=pl.col("split").n_unique().over("id"),
        splits_of_cluster=pl.col("split").n_unique().over("cluster"),
    ).with_row_index("row")
    counts = {split: documents.filter(pl.col("split") == split).height for split in splits}
    total = max(1, documents.height)
    table = pl.DataFrame(
        {
            "split": list(counts),
            "documents": list(counts.values()),
            "share": [count / total for count in counts.values()],
        }
    )
    return {"documents": documents, "splits": table.with_row_index("row")}


_SCHEMA = dict.fromkeys(COLUMNS, pl.String) | {"offset": pl.Int64}


def _measured(frame: pl.DataFrame, split: str) -> pl.DataFrame:
    text = pl.col("text")
    return frame.with_columns(
        split=pl.lit(split),
        characters=text.str.strip_chars().str.len_chars().cast(pl.Int64),
        replacement_share=text.str.count_matches("\ufffd", literal=True) / text.str.len_chars().clip(lower_bound=1),
    ).drop("text")
