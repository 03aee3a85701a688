"""One shard of train without what evaluation sets say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import SHARDED
from tasks.arrays.utf8 import I64
from tasks.decontaminate.provenance import Counts
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import SMALL_LEVEL, TableWriter, iterate_tables


def write_shard(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes a shard under its name with what is left of the documents hit, and without those that go.

    The part's files are the shard and its `documents.parquet` (see `outcome.HIT_DOCUMENTS`). Where nothing is left no
    file is.

    Returns what `provenance.count_shard` does of what is written.
    """
    file, documents = part.files
    hit = pq.read_table(documents.path, columns=["row", "text"])
    rows = hit["row"].to_numpy()
    counts = Counts()
    target = folder / file.stored.name
    writer = TableWriter(
        target,
        SHARDED,
        rows_per_group=part.parameters["row_group_rows"],
        bytes_per_group=part.parameters["row_group_bytes"],
        level=SMALL_LEVEL,
    )
    begin = 0
    with writer:
        for table in iterate_tables(file.path, SHARDED.names):
            end = begin + table.num_rows
            first, last = np.searchsorted(rows, [begin, end]).tolist()
            if first < last:
                table = _altered(table, rows[first:last].astype(np.int64) - begin, hit["text"][first:last])
            counts.add(table)
            writer.write(table)
            begin = end
    if not writer.rows:
        target.unlink()
    return {"counts": counts.rows()}


def _altered(table: pa.Table, rows: I64, texts: pa.ChunkedArray) -> pa.Table:
    """Returns a table with other texts in some rows, and without the rows whose text is missing."""
    mask = np.zeros(table.num_rows, dtype=np.bool_)
    mask[rows] = True
    column = pc.replace_with_mask(table["text"].combine_chunks(), pa.array(mask), texts.combine_chunks())
    place = table.schema.get_field_index("text")
    return table.set_column(place, SHARDED.field("text").with_nullable(True), column).filter(pc.is_valid(column))
