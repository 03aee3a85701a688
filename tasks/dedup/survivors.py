"""What deduplication writes: the documents that stay, part by part, and the table of those that go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import CLEANED, DUPLICATES
from tasks.dedup.clusters import Clusters
from tasks.dedup.index import Corpus
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, iterate_tables, write_table


def keep_rows(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes a file of documents without the rows that the parameter `drop` numbers."""
    file = part.files[0]
    drop = np.asarray(part.parameters["drop"], dtype=np.int64)
    row = 0
    with TableWriter(folder / file.stored.name, CLEANED) as writer:
        for table in iterate_tables(file.path):
            stays = ~np.isin(np.arange(row, row + table.num_rows), drop)
            writer.write(table.filter(pa.array(stays)))
            row += table.num_rows
    return {"rows": writer.rows}


def write_duplicates(path: Path, corpus: Corpus, clusters: Clusters) -> dict[str, dict[str, int]]:
    """Writes the documents that go, sorted by id and locator, and counts them by source and kind."""
    gone = clusters.gone
    if not len(gone):
        write_table(path, DUPLICATES.empty_table(), DUPLICATES)
        return {}
    kept, where = np.unique(clusters.kept[gone], return_inverse=True)
    kept_ids = corpus.origins(kept)["id"].take(where)
    kinds = np.where(clusters.exact[gone], "exact", "near")
    table = corpus.origins(gone)
    table = table.append_column("kept", kept_ids).append_column("cluster", kept_ids)
    table = table.append_column("kind", pa.array(kinds.tolist(), pa.string()))
    table = table.append_column("jaccard", pa.array(clusters.jaccard[gone]))
    order = pc.sort_indices(table, [(name, "ascending") for name in ("id", "source", "path", "offset")])
    write_table(path, table.take(order), DUPLICATES)
    counts: dict[str, dict[str, int]] = {}
    for row in table.group_by(["source", "kind"]).aggregate([([], "count_all")]).to_pylist():
        counts.setdefault(row["source"], {})[row["kind"]] = row["count_all"]
    return counts
