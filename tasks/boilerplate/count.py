"""Counts, in one part, in how many documents of each source a line stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.config.boilerplate import BoilerplateConfig
from tasks.arrays.utf8 import as_bytes, as_texts
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, batches, iterate_tables
from tasks.text.lines import lines_of
from tasks.text.preparation import prepare

COUNTS = "counts.parquet"

COUNTED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("hash", pa.uint64(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("line", pa.large_string(), nullable=False),
    ]
)
"""Rows of what a part leaves, sorted by source and hash."""

BATCH_BYTES = 4_000_000


def count_documents(part: Part, folder: Path) -> Mapping[str, JSON]:
    """Counts the documents of each source."""
    del folder
    found: dict[str, int] = {}
    for table in iterate_tables(part.files[0].path, columns=["source"]):
        for source, count in pl.DataFrame(table).group_by("source").len().iter_rows():
            found[source] = found.get(source, 0) + count
    return {"sources": dict(sorted(found.items()))}


def count_lines(part: Part, folder: Path) -> Mapping[str, JSON]:
    """Writes `counts.parquet` of the sources and the share of documents that the parameters name."""
    config = BoilerplateConfig.model_validate(part.parameters["settings"])
    shares: Mapping[str, float] = part.parameters["shares"]
    looked_at = dict.fromkeys(shares, 0)
    total: pl.DataFrame | None = None
    for table in iterate_tables(part.files[0].path, columns=["id", "source", "format", "text"]):
        rows = table.filter(_sampled(pl.DataFrame(table.select(["id", "source"])), shares).to_arrow())
        for source, count in pl.DataFrame(rows.select(["source"])).group_by("source").len().iter_rows():
            looked_at[source] += count
        for batch in batches(rows, "text", BATCH_BYTES):
            found = _count(pl.DataFrame(batch), config)
            merged = found if total is None else pl.concat([total, found])
            total = merged.group_by("source", "hash").agg(pl.col("documents").sum(), pl.col("line").first())
    with TableWriter(folder / COUNTS, COUNTED) as writer:
        if total is not None:
            writer.write(total.sort("source", "hash").to_arrow())
    return {"documents": {source: count for source, count in sorted(looked_at.items()) if count}}


def _sampled(rows: pl.DataFrame, shares: Mapping[str, float]) -> pl.Series:
    """Chooses documents by their ids, which are digests: the same ones however they lie in parts. Returns a mask."""
    share = pl.col("source").replace_strict(dict(shares), default=0.0, return_dtype=pl.Float64)
    place = pl.col("id").str.head(8).str.to_integer(base=16, dtype=pl.Int64)
    return rows.select(chosen=place < share * 2**32)["chosen"]


def _count(rows: pl.DataFrame, config: BoilerplateConfig) -> pl.DataFrame:
    texts = prepare(rows["text"], rows["format"], config.html, config.unicode, config.personal).texts
    data, starts = as_bytes(texts)
    lines = lines_of(data, starts)
    sources = rows["source"].gather(lines.text)
    _, first = np.unique(np.stack([lines.text.astype(np.uint64), lines.hashes]), axis=1, return_index=True)
    kept = np.sort(first)
    once = pl.DataFrame({"source": sources.gather(kept), "hash": lines.hashes[kept], "place": kept})
    found = once.group_by("source", "hash").agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("place").min())
    places = found["place"].to_numpy()
    begins, ends = lines.begins[places], lines.ends[places]
    sizes = ends - begins
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
    picked = np.arange(bounds[-1]) + np.repeat(begins - bounds[:-1], sizes)
    found = found.with_columns(as_texts(data[picked], bounds, name="line"))
    return found.filter(pl.col("line").str.len_chars() >= config.min_characters).drop("place")
