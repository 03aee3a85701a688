"""One group of `dedup`'s files becomes one shard of each split.

A shard is shuffled as a whole, so the texts of its group lie in memory, once; what is written is gathered from them a
few MiB at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import CLEANED, SHARDED, SPLITS
from tasks.engine.stage import JSON, Part
from tasks.shard.sides import Sides, key
from tasks.tables.parquet import SMALL_LEVEL, TableWriter, iterate_tables

GATHERED_BYTES = 4 << 20
"""Text that is copied at a time into its shuffled order."""

I64 = npt.NDArray[np.int64]


def shard_group(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `<split>/<part name>` for every split that any document of the group falls into, shuffled.

    The parameters hold the fractions, the seed, the cluster of each document that is not its cluster's earliest, and
    the side of each cluster that merging has moved.

    Returns by split and language the documents and the bytes of their texts, and the documents that merging took out of
    train.
    """
    parameters = part.parameters
    sides = Sides(parameters["valid_fraction"], parameters["test_fraction"], parameters["seed"])
    tables = [table for file in part.files for table in iterate_tables(file.path, CLEANED.names)]
    ids: list[str] = [identity for table in tables for identity in table["id"].to_pylist()]
    clusters = [parameters["clusters"].get(identity, identity) for identity in ids]
    keys = np.frombuffer(b"".join(key(sides.seed, identity) for identity in ids), dtype=">u8").reshape(-1, 2)
    found = sides.of_places(keys[:, 0].tolist())
    left_train = 0
    for row, (identity, cluster) in enumerate(zip(ids, clusters, strict=True)):
        if cluster != identity:
            found[row] = sides.of(cluster)
        if cluster in parameters["sides"]:
            left_train += found[row] == "train"
            found[row] = parameters["sides"][cluster]
    order = np.argsort(keys[:, 1], kind="stable")
    by_row = np.array(found)
    splits: dict[str, JSON] = {}
    for split in SPLITS:
        rows = order[by_row[order] == split]
        if len(rows):
            (folder / split).mkdir()
            splits[split] = _write(folder / split / part.name, tables, rows, clusters, parameters)
    return {"splits": splits, "left_train": left_train}


def _write(path: Path, tables: Sequence[pa.Table], rows: I64, clusters: Sequence[str], parameters: Any) -> JSON:
    counts: dict[str, dict[str, int]] = {}
    writer = TableWriter(
        path,
        SHARDED,
        rows_per_group=parameters["row_group_rows"],
        bytes_per_group=parameters["row_group_bytes"],
        level=SMALL_LEVEL,
    )
    with writer:
        for chosen, table in _gathered(tables, rows):
            names = pa.array([clusters[row] for row in chosen.tolist()], pa.string())
            writer.write(table.append_column(SHARDED.field("cluster"), names))
            sizes = pa.table({"language": table["language"], "bytes": pc.binary_length(table["text"])})
            for row in sizes.group_by("language").aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist():
                count = counts.setdefault(row["language"], {"rows": 0, "text_bytes": 0})
                count["rows"] += row["bytes_count"]
                count["text_bytes"] += row["bytes_sum"]
    return dict(sorted(counts.items()))


def _gathered(tables: Sequence[pa.Table], rows: I64) -> Iterator[tuple[I64, pa.Table]]:
    """Yields rows of all tables together in the order given, with their numbers, a few MiB at a time.

    Arrow takes from a column of many chunks by joining these first, each time: so it is taken from each table apart.
    """
    starts = np.cumsum([0] + [table.num_rows for table in tables])
    sizes = np.concatenate([np.asarray(pc.binary_length(table["text"])) for table in tables])
    ends = np.cumsum(sizes[rows])
    begin = 0
    while begin < len(rows):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + GATHERED_BYTES, side="right")))
        chosen = rows[begin:end]
        owners = np.searchsorted(starts, chosen, side="right") - 1
        by_owner = np.argsort(owners, kind="stable")
        pieces = [
            tables[owner].take(pa.array(chosen[by_owner[owners[by_owner] == owner]] - starts[owner]))
            for owner in np.unique(owners).tolist()
        ]
        back = np.empty(len(chosen), dtype=np.int64)
        back[by_owner] = np.arange(len(chosen))
        yield chosen, pa.concat_tables(pieces).combine_chunks().take(pa.array(back))
        begin = end
