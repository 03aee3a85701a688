"""The list of hits: which document said what stands in which evaluation set, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from schemas.tables import HITS
from tasks.tables.parquet import TableWriter

_KEYS = ("id", "source", "path", "offset", "language", "share", "action", "evaluation", "example")


def write_hits(path: Path, windows: Iterable[Path], places: pl.DataFrame) -> dict[str, int]:
    """Writes HITS rows, shard by shard, in each sorted by document, evaluation set and example.

    Args:
        path: What to write.
        windows: `windows.parquet` of each shard.
        places: `gram`, `evaluation` and `example`, one row for each n-gram and set.

    Returns:
        How many documents were hit by each set.
    """
    documents: dict[str, int] = {}
    with TableWriter(path, HITS) as writer:
        for one in windows:
            hits = _spans(pl.read_parquet(one).join(places, on="gram"))
            by_set = hits.group_by("evaluation").agg(pl.struct("id", "source", "path", "offset").n_unique())
            for evaluation, count in by_set.rows():
                documents[evaluation] = documents.get(evaluation, 0) + count
            writer.write(hits.select(HITS.names).to_arrow())
    return dict(sorted(documents.items()))


def _spans(windows: pl.DataFrame) -> pl.DataFrame:
    """Returns one row for each document, set and example, with the union of its windows as spans."""
    apart = pl.col("begin") > pl.col("end").cum_max().shift(1).over(_KEYS)
    return (
        windows.sort(*_KEYS, "begin", "end")
        .with_columns(span=apart.fill_null(True).cast(pl.Int64).cum_sum().over(_KEYS))
        .group_by(*_KEYS, "span", maintain_order=True)
        .agg(pl.col("begin").min(), pl.col("end").max())
        .group_by(*_KEYS, maintain_order=True)
        .agg(pl.struct("begin", "end").alias("spans"))
        .sort("id", "source", "path", "offset", "evaluation", "example")
    )
