"""Fills the tables that expectations are about, from what was measured of each file and found between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from schemas.expectations import COLUMNS, SHARD_COLUMNS, TEXT_COLUMNS, Expectation, Table
from schemas.splits import SPLITS
from tasks.engine.stage import InputFile
from tasks.tables.rows import take_rows
from tasks.validate import profile as profiles
from tasks.validate.database import ROW, Database, write_records
from tasks.validate.identities import Shared
from tasks.validate.profile import Profile
from tasks.validate.residue import KINDS

PERSONAL = [kind for kind in KINDS if kind != "ip_addresses"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A shard file and what was measured of it.

    Attributes:
        split: Its split.
        file: The shard.
        rows: Documents in it.
        faults: What is wrong with its columns; then there is nothing else.
        nulls: Missing values by column.
        profile: Its lengths by source and language.
        documents: `measures.MEASURED` rows.
    """

    split: str
    file: InputFile
    rows: int
    faults: list[str]
    nulls: Mapping[str, int]
    profile: Profile
    documents: Path | None

    @property
    def name(self) -> str:
        """`train/shard-….parquet`."""
        return f"{self.split}/{self.file.stored.name}"


@dataclass(frozen=True, slots=True)
class Near:
    """The document of another split that a held-out one resembles most."""

    similarity: float
    file: int
    row: int


def columns_wanted(expectations: Mapping[str, Expectation]) -> dict[Table, list[str]]:
    """Returns the columns that expectations are about, by table, in the order of `COLUMNS`."""
    wanted = {(expectation.table, expectation.column) for expectation in expectations.values()}
    found = {table: [name for name in names if (table, name) in wanted] for table, names in COLUMNS.items()}
    return {table: names for table, names in found.items() if names}


def write_small_tables(
    database: Database,
    wanted: Mapping[Table, Sequence[str]],
    files: Sequence[Measured],
    profile: Profile,
    drift: Sequence[Mapping[str, Any]],
) -> None:
    """Writes `files`, `splits`, `languages` and `drift`, each with all of its columns."""
    rows = {split: sum(file.rows for file in files if file.split == split) for split in SPLITS}
    total = max(1, sum(rows.values()))
    records: dict[Table, list[Mapping[str, Any]]] = {
        "files": [
            {
                "split": file.split,
                "file": file.file.stored.name,
                "documents": file.rows,
                "schema_faults": len(file.faults),
                "nulls": sum(file.nulls.values()),
            }
            for file in files
        ],
        "splits": [{"split": split, "documents": count, "share": count / total} for split, count in rows.items()],
        "languages": _languages(profile),
        "drift": list(drift),
    }
    for table, found in records.items():
        if table in wanted:
            write_records(database, table, COLUMNS[table], found)


def write_documents(
    database: Database,
    columns: Sequence[str],
    files: Sequence[Measured],
    shared: Shared,
    near: Mapping[tuple[int, int], Near],
) -> None:
    """Writes `documents`: a row for each document of the files without faults, in their order."""
    starts = starts_of(files)
    by_row: dict[str, Mapping[int, float]] = {
        "documents_of_id": shared.documents_of_id,
        "splits_of_id": shared.splits_of_id,
        "splits_of_cluster": shared.splits_of_cluster,
        "nearest": {starts[file] + row: found.similarity for (file, row), found in near.items()},
    }
    exceptions = {name: _arrays(by_row[name]) for name in columns if name in by_row}

    database.create("documents", columns)
    for number, file in enumerate(files):
        for begin, frame in _frames(file, columns):
            if not frame.height:
                continue
            start = starts[number] + begin
            found = [
                pl.Series(name, _filled(kept, start, frame.height, name, file.split))
                for name, kept in exceptions.items()
            ]
            frame = frame.with_columns(*found).select(columns)
            same = {name: frame[name][0] for name in columns if name not in TEXT_COLUMNS and _is_constant(frame[name])}
            varied = [name for name in columns if name not in same]
            database.write("documents", varied, frame.with_row_index(ROW, start).select(ROW, *varied).rows(), same)


def starts_of(files: Sequence[Measured]) -> list[int]:
    """Returns the number of each file's first document; files with faults have none."""
    sizes = [0 if file.faults else file.rows for file in files]
    return [sum(sizes[:number]) for number in range(len(sizes))]


def origin(files: Sequence[Measured], row: int) -> tuple[Measured, dict[str, Any]]:
    """Returns the file of a row of `documents`, and what the shard says of it."""
    number, inside = place_of(files, row)
    columns = ["id", "source", "path", "offset"]
    return files[number], take_rows(files[number].file.path, [inside], columns).to_pylist()[0]


def place_of(files: Sequence[Measured], row: int) -> tuple[int, int]:
    """Returns the number of the file that holds a row of `documents`, and its row there."""
    starts = starts_of(files)
    number = max(index for index, start in enumerate(starts) if start <= row and not files[index].faults)
    return number, row - starts[number]


def _is_constant(values: pl.Series) -> bool:
    if values.null_count():
        return values.null_count() == len(values)
    return bool(values.min() == values.max())


def _languages(profile: Profile) -> list[Mapping[str, Any]]:
    lengths: dict[str, Counter[str]] = {}
    for languages in profile.values():
        for language, counts in languages.items():
            lengths.setdefault(language, Counter()).update(counts)
    total = max(1, sum(counts.total() for counts in lengths.values()))
    return [
        {"language": language, "documents": counts.total(), "share": counts.total() / total}
        | {f"characters_p{percent}": profiles.quantile(counts, percent / 100) for percent in (5, 50, 95)}
        for language, counts in sorted(lengths.items())
    ]


def _frames(file: Measured, columns: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yields (first row, columns of the shard and measures) of a file, a row group at a time."""
    if file.documents is None:
        return
    own = [name for name in SHARD_COLUMNS if name in columns or (name == "licence" and "licence_characters" in columns)]
    kinds = [name for name in KINDS if name in columns or ("personal" in columns and name in PERSONAL)]
    measured = [name for name in ("characters", "replacement_share", *kinds) if name in columns or name in kinds]
    measures = pl.from_arrow(pq.read_table(file.documents, columns=measured or ["characters"]))
    assert isinstance(measures, pl.DataFrame)
    begin = 0
    with pq.ParquetFile(file.file.path) as shard:
        for group in range(shard.num_row_groups):
            size = shard.metadata.row_group(group).num_rows
            frame = measures.slice(begin, size)
            if own:
                described = pl.from_arrow(shard.read_row_group(group, columns=own, use_threads=False))
                assert isinstance(described, pl.DataFrame)
                frame = frame.hstack(described)
            if "licence_characters" in columns:
                frame = frame.with_columns(licence_characters=pl.col("licence").str.strip_chars().str.len_chars())
            if "personal" in columns:
                frame = frame.with_columns(personal=pl.sum_horizontal(PERSONAL))
            yield begin, frame.with_columns(split=pl.lit(file.split))
            begin += size


def _arrays(values: Mapping[int, float]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    rows = np.array(sorted(values), dtype=np.int64)
    return rows, np.array([values[row] for row in rows.tolist()], dtype=np.float64)


def _filled(
    kept: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], start: int, size: int, name: str, split: str
) -> pl.Series:
    """Returns the values of some rows: what was found of them, else what goes without saying."""
    rows, values = kept
    first, last = np.searchsorted(rows, [start, start + size])
    if name != "nearest":
        found = np.ones(size, dtype=np.int64)
        found[rows[first:last] - start] = values[first:last].astype(np.int64)
        return pl.Series(found)
    if split == "train":
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, size)
    similarities = np.zeros(size, dtype=np.float64)
    similarities[rows[first:last] - start] = values[first:last]
    return pl.Series(similarities)
