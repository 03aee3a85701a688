"""The list of hits: which document said what stands in which evaluation set, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from schemas.tables import HITS
from tasks.decontaminate import kernels
from tasks.tables.parquet import TableWriter

WINDOWS_AT_A_TIME = 1 << 15
"""N-grams of documents whose sets and examples are looked up at a time."""


@dataclass(frozen=True)
class Places:
    """What `evaluation.find_places` wrote of an evaluation file: its set, and the tables."""

    evaluation: str
    grams: Path
    examples: Path


def write_hits(path: Path, shards: Iterable[tuple[Path, Path]], places: Sequence[Places]) -> dict[str, int]:
    """Writes HITS rows, shard by shard, in each sorted by document, evaluation set and example.

    Memory: 16 bytes for each n-gram of train and evaluation file that holds it, and one shard's hits.

    Args:
        path: What to write.
        shards: `documents.parquet` and `windows.parquet` of each shard.
        places: Where the n-grams stand in each evaluation file.

    Returns:
        How many documents were hit by each set.
    """
    # Names as numbers of the same order: rows by the million are joined and sorted.
    examples = [pl.read_parquet(one.examples)["example"] for one in places]
    sets = pl.Series([one.evaluation for one in places], dtype=pl.String)
    names = pl.DataFrame({"name": pl.concat([sets, *examples]).unique().sort()}).with_row_index("number")
    number = dict(names.select("name", "number").rows())
    found = pl.DataFrame(schema={"gram": pl.UInt64, "evaluation": pl.UInt32, "example": pl.UInt32})
    for one, ids in zip(places, examples, strict=True):
        numbers = pl.Series([number[name] for name in ids.to_list()], dtype=pl.UInt32)
        table = pl.read_parquet(one.grams, columns=["gram", "example"])
        found.extend(
            table.select(
                "gram",
                evaluation=pl.lit(number[one.evaluation], pl.UInt32),
                example=numbers.gather(table["example"]),
            )
        )
    found = found.group_by("gram", "evaluation").agg(pl.col("example").min()).sort("gram", "evaluation")
    documents: dict[str, int] = {}
    with TableWriter(path, HITS) as writer:
        for document_path, window_path in shards:
            pieces = _pieces(pl.read_parquet(window_path))
            spans = pl.concat([_spans(_looked_up(piece, found)) for piece in pieces])
            rows = pl.read_parquet(document_path).with_row_index("document")
            hits = spans.join(rows.with_columns(pl.col("document").cast(pl.Int64)), on="document").with_columns(
                pl.col(column).replace_strict(names["number"], names["name"]) for column in ("evaluation", "example")
            )
            for evaluation, count in hits.group_by("evaluation").agg(pl.col("document").n_unique()).rows():
                documents[evaluation] = documents.get(evaluation, 0) + count
            writer.write(
                hits.sort("id", "source", "path", "offset", "evaluation", "example").select(HITS.names).to_arrow()
            )
    return dict(sorted(documents.items()))


def _pieces(windows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yields windows, sorted by document, some documents at a time: a join may multiply them."""
    documents = windows["document"]
    begin = 0
    while True:
        end = min(begin + WINDOWS_AT_A_TIME, windows.height)
        if end < windows.height:
            end = int(documents.search_sorted(documents[end], "right"))
        yield windows.slice(begin, end - begin)
        begin = end
        if begin >= windows.height:
            return


def _looked_up(windows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Returns windows once for each set that holds their n-gram, with set and example; `found` is sorted by n-gram."""
    grams = found["gram"].to_numpy()
    first = np.searchsorted(grams, windows["gram"].to_numpy(), side="left")
    counts = np.searchsorted(grams, windows["gram"].to_numpy(), side="right") - first
    window = np.repeat(np.arange(windows.height), counts)
    place = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(window))
    return windows[window].hstack(found.select("evaluation", "example")[place])


def _spans(windows: pl.DataFrame) -> pl.DataFrame:
    """Returns one row for each document, set and example, with the union of its windows as spans."""
    ordered = windows.sort("document", "evaluation", "example", "begin", "end")
    keys = ("document", "evaluation", "example")
    group = ordered.select(pl.struct(keys).rle_id().cast(pl.Int64)).to_series()
    first, ends = kernels.union(group.to_numpy(), ordered["begin"].to_numpy(), ordered["end"].to_numpy())
    spans = ordered[first].with_columns(end=pl.Series(ends)).select(*keys, pl.struct("begin", "end").alias("spans"))
    return spans.group_by(keys, maintain_order=True).agg("spans")
