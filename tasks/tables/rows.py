"""Single rows of a Parquet file: found by a column, and read without the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def take_rows(path: Path, rows: Sequence[int], columns: list[str] | None = None) -> pa.Table:
    """Reads rows, given in ascending order; only the row groups that hold them are read."""
    with pq.ParquetFile(path, memory_map=True) as file:
        pieces = []
        begin = place = 0
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            inside = []
            while place < len(rows) and rows[place] < end:
                inside.append(rows[place] - begin)
                place += 1
            if inside:
                pieces.append(
                    file.read_row_group(group, columns=columns, use_threads=False).take(pa.array(inside, pa.int64()))
                )
            begin = end
        if pieces:
            return pa.concat_tables(pieces)
        empty = file.schema_arrow.empty_table()
        return empty if columns is None else empty.select(columns)


def find_rows(
    path: Path,
    columns: list[str],
    matches: Callable[[pa.Table], Any],
    *,
    between: tuple[str, str, str] | None = None,
) -> list[int]:
    """Returns the numbers of the rows that match, reading only what decides it.

    Args:
        path: The file.
        columns: What `matches` looks at.
        matches: Returns a bool for each row of a table of these columns.
        between: A column with the least and the greatest text that can match: row groups whose statistics exclude it
            are not read.
    """
    found: list[int] = []
    with pq.ParquetFile(path, memory_map=True) as file:
        begin = 0
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if between is None or _may_hold(metadata, *between):
                mask = np.asarray(matches(file.read_row_group(group, columns=columns, use_threads=False)))
                found += (begin + np.flatnonzero(mask)).tolist()
            begin += metadata.num_rows
    return found


def _may_hold(metadata: Any, column: str, least: str, greatest: str) -> bool:
    for number in range(metadata.num_columns):
        found = metadata.column(number)
        if found.path_in_schema == column:
            statistics = found.statistics
            if statistics is None or not statistics.has_min_max:
                return True
            return bool(statistics.min <= greatest and statistics.max >= least)
    return True
