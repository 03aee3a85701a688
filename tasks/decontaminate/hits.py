"""The list of hits: which document said what stands in which evaluation set, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from schemas.tables import HITS
from tasks.arrays.utf8 import U32, U64
from tasks.decontaminate import ordered
from tasks.decontaminate.index import Segment, examples_in_order
from tasks.tables.parquet import TableWriter

WINDOWS_AT_A_TIME = 1 << 15
"""N-grams of documents whose sets and examples are looked up at a time."""


DESCRIBED = ["id", "source", "path", "offset", "language", "share", "action"]


@dataclass(frozen=True)
class Places:
    """Where n-grams of train stand in an evaluation file.

    Attributes:
        evaluation: Its set.
        grams: uint64[n].
        examples: uint32[n], the least example that holds each, by its place in `ids`.
        ids: Ids of examples, sorted.
        hit: How many examples of the file hold any.
    """

    evaluation: str
    grams: U64
    examples: U32
    ids: pl.Series
    hit: int


def find_places(evaluation: str, segments: Iterable[Segment], examples: Path, grams: U64) -> Places:
    """Looks sorted n-grams up in the index of an evaluation file."""
    names, ranks = examples_in_order(examples)
    found, least, holders = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.uint32)], []
    for segment in segments:
        places = ordered.shared(segment.open(), grams)
        if len(places):
            entries, owners = segment.entries(places)
            examples_of = ranks[segment.rows_at(entries)]
            found.append(segment.open()[places])
            least.append(np.minimum.reduceat(examples_of, np.flatnonzero(np.diff(owners, prepend=-1))))
            holders.append(examples_of)
    hit = len(np.unique(np.concatenate(holders))) if holders else 0
    used, numbers = np.unique(np.concatenate(least), return_inverse=True)
    return Places(evaluation, np.concatenate(found), numbers.astype(np.uint32), names.gather(used), hit)


def write_hits(path: Path, shards: Iterable[tuple[Path, Path]], places: Sequence[Places]) -> dict[str, int]:
    """Writes HITS rows, shard by shard, in each sorted by document, evaluation set and example.

    Memory: 16 bytes for each n-gram of train and evaluation file that holds it, and one shard's hits.

    Args:
        path: What to write.
        shards: `documents.parquet` and `windows.npy` of each shard, see `outcome`.
        places: Where the n-grams stand in each evaluation file.

    Returns:
        How many documents were hit by each set.
    """
    # Names as numbers of the same order: rows by the million are joined and sorted.
    sets = pl.Series([one.evaluation for one in places], dtype=pl.String)
    names = pl.DataFrame({"name": pl.concat([sets, *(one.ids for one in places)]).unique().sort()})
    names = names.with_row_index("number")
    number = dict(names.select("name", "number").rows())
    found = pl.DataFrame(schema={"gram": pl.UInt64, "evaluation": pl.UInt32, "example": pl.UInt32})
    for one in places:
        numbers = pl.Series([number[name] for name in one.ids.to_list()], dtype=pl.UInt32)
        frame = pl.DataFrame({"gram": one.grams, "example": numbers.gather(one.examples)})
        found.extend(frame.select("gram", evaluation=pl.lit(number[one.evaluation], pl.UInt32), example="example"))
    found = found.group_by("gram", "evaluation").agg(pl.col("example").min()).sort("gram", "evaluation")
    documents: dict[str, int] = {}
    with TableWriter(path, HITS) as writer:
        for document_path, window_path in shards:
            pieces = _pieces(_windows(window_path))
            spans = pl.concat([_spans(_looked_up(piece, found)) for piece in pieces])
            rows = pl.read_parquet(document_path, columns=DESCRIBED).with_row_index("document")
            hits = spans.join(rows.with_columns(pl.col("document").cast(pl.Int64)), on="document").with_columns(
                pl.col(column).replace_strict(names["number"], names["name"]) for column in ("evaluation", "example")
            )
            for evaluation, count in hits.group_by("evaluation").agg(pl.col("document").n_unique()).rows():
                documents[evaluation] = documents.get(evaluation, 0) + count
            writer.write(
                hits.sort("id", "source", "path", "offset", "evaluation", "example").select(HITS.names).to_arrow()
            )
    return dict(sorted(documents.items()))


def _windows(path: Path) -> pl.DataFrame:
    windows = np.load(path, allow_pickle=False)
    types = {"document": np.int64, "gram": np.uint64, "begin": np.int64, "end": np.int64}
    return pl.DataFrame({name: windows[name].astype(kind) for name, kind in types.items()})


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
    by_span = windows.sort("document", "evaluation", "example", "begin", "end")
    keys = ("document", "evaluation", "example")
    group = by_span.select(pl.struct(keys).rle_id().cast(pl.Int64)).to_series()
    first, ends = ordered.union(group.to_numpy(), by_span["begin"].to_numpy(), by_span["end"].to_numpy())
    spans = by_span[first].with_columns(end=pl.Series(ends)).select(*keys, pl.struct("begin", "end").alias("spans"))
    return spans.group_by(keys, maintain_order=True).agg("spans")
