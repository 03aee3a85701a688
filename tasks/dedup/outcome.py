"""What deduplication writes: the documents that stay, the table of those that go, and the founders of clusters.

The table is sorted over all clusters, so runs of it go to files first, each sorted; then a range of ids at a time is
read of all runs. What an earlier build decided, and no fresh document changed, is one of the runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import CLEANED, CLUSTERS, DUPLICATES
from tasks.arrays.utf8 import Bools
from tasks.dedup.earlier import Earlier
from tasks.dedup.index import Corpus
from tasks.dedup.keeping import NUMBERED, Decided
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, iterate_tables, write_table

BYTES_PER_ROW = 1024
"""Of the table of duplicates, held while a range of it is sorted."""

ROWS_AT_A_TIME = 65_536

ORDER = [(name, "ascending") for name in ("id", "source", "path", "offset")]


@dataclass(frozen=True)
class Outcome:
    """What became of all clusters.

    Attributes:
        members: `MEMBER` records of all documents that share their cluster, sorted by number.
        counts: Documents that go, by source and kind.
    """

    members: npt.NDArray[Any]
    counts: dict[str, dict[str, int]]

    @property
    def gone(self) -> npt.NDArray[np.int32]:
        """The documents that go, ascending."""
        return self.members["number"][self.members["row"] >= 0]

    @property
    def clusters(self) -> int:
        """Clusters of two documents or more."""
        return int((self.members["number"] == self.members["root"]).sum())

    @property
    def merged(self) -> int:
        """Clusters that were several on an earlier night."""
        clusters, founders = np.unique(self.members["earliest"][self.members["founder"]], return_counts=True)
        del clusters
        return int((founders > 1).sum())


def keep_rows(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes a file of documents without the rows that the parameter `drop` numbers."""
    file = part.files[0]
    drop = np.asarray(part.parameters["drop"], dtype=np.int64)
    row = 0
    with TableWriter(folder / file.stored.name, CLEANED) as writer:
        for table in iterate_tables(file.path):
            stays = np.ones(table.num_rows, dtype=bool)
            here = drop[np.searchsorted(drop, row) : np.searchsorted(drop, row + table.num_rows)]
            stays[here - row] = False
            writer.write(table.filter(pa.array(stays)))
            row += table.num_rows
    return {"rows": writer.rows}


def write_duplicates(
    path: Path, earlier: Earlier, fresh: Bools, decided: Iterable[Decided], folder: Path, memory: int
) -> Outcome:
    """Writes the table of the documents that go.

    Args:
        path: Where to.
        earlier: What an earlier build decided.
        fresh: bool[documents]; clusters that have a fresh document are among the decided.
        decided: All clusters that changed.
        folder: An existing folder for runs.
        memory: Bytes to hold at a time.
    """
    records = []
    runs = []
    for number, some in enumerate(decided):
        records.append(some.members)
        runs.append(folder / f"run-{number}.parquet")
        write_table(runs[-1], some.rows.take(pc.sort_indices(some.rows, ORDER)), NUMBERED)
    changed = np.zeros(len(fresh), dtype=bool)
    for some_records in records:
        changed[some_records["number"]] = True
    unchanged = earlier.members[~(changed | fresh)[earlier.members["number"]]]
    if len(unchanged) and earlier.duplicates is not None:
        runs.append(folder / "run-earlier.parquet")
        _write_unchanged(runs[-1], earlier.duplicates, unchanged)
    members = np.concatenate([unchanged, *records])
    members = members[np.argsort(members["number"])]
    return Outcome(members, _merge(path, runs, members, memory))


def _write_unchanged(path: Path, duplicates: Path, unchanged: npt.NDArray[Any]) -> None:
    gone = unchanged[unchanged["row"] >= 0]
    order = np.argsort(gone["row"])
    rows, numbers = gone["row"][order].astype(np.int64), gone["number"][order].astype(np.int64)
    row = 0
    with TableWriter(path, NUMBERED) as writer:
        for table in iterate_tables(duplicates):
            here = slice(*np.searchsorted(rows, [row, row + table.num_rows]).tolist())
            taken = table.take(pa.array(rows[here] - row))
            writer.write(taken.append_column("number", pa.array(numbers[here])))
            row += table.num_rows


def _merge(path: Path, runs: list[Path], members: npt.NDArray[Any], memory: int) -> dict[str, dict[str, int]]:
    """Writes the sorted table out of its runs; numbers its rows in the records; counts them by source and kind."""
    total = sum(pq.read_metadata(run).num_rows for run in runs)
    ranges = min(1 + total * BYTES_PER_ROW // memory, 1 << 32)
    counts: dict[str, dict[str, int]] = {}
    with TableWriter(path, DUPLICATES) as writer:
        for place in range(ranges):
            low = f"{place * (1 << 32) // ranges:08x}"
            inside = pc.field("id") >= low
            if place + 1 < ranges:
                inside &= pc.field("id") < f"{(place + 1) * (1 << 32) // ranges:08x}"
            found = [pq.read_table(run, filters=inside) for run in runs] if ranges > 1 else map(pq.read_table, runs)
            table = pa.concat_tables([NUMBERED.empty_table(), *found])
            table = table.take(pc.sort_indices(table, ORDER))
            records = np.searchsorted(members["number"], table["number"].to_numpy())
            members["row"][records] = np.arange(writer.rows, writer.rows + table.num_rows)
            writer.write(table.drop_columns("number"))
            for row in table.group_by(["source", "kind"]).aggregate([([], "count_all")]).to_pylist():
                count = counts.setdefault(row["source"], {})
                count[row["kind"]] = count.get(row["kind"], 0) + row["count_all"]
    return counts


def write_clusters(path: Path, corpus: Corpus, members: npt.NDArray[Any]) -> None:
    """Writes the founders of every cluster of two documents or more."""
    founders = members[members["founder"]]
    ids = corpus.take("id", founders["number"])
    clusters = corpus.take("id", founders["earliest"])
    order = np.lexsort((ids[:, 1], ids[:, 0], clusters[:, 1], clusters[:, 0]))
    differs = np.ones(len(order), dtype=bool)  # a text that stands twice may found a cluster with both
    differs[1:] = ((ids[order][1:] != ids[order][:-1]) | (clusters[order][1:] != clusters[order][:-1])).any(axis=1)
    order = order[differs]
    with TableWriter(path, CLUSTERS) as writer:
        for begin in range(0, len(order), ROWS_AT_A_TIME):
            here = order[begin : begin + ROWS_AT_A_TIME]
            writer.write(pa.table({"cluster": _hexadecimal(clusters[here]), "founder": _hexadecimal(ids[here])}))


def _hexadecimal(ids: npt.NDArray[np.uint64]) -> pa.Array:
    """Returns ids given as numbers, uint64[n, 2], as they are written."""
    data = ids.astype(">u8").tobytes().hex()
    return pa.array([data[begin : begin + 32] for begin in range(0, len(data), 32)], pa.string())
