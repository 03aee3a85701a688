"""Indexes: which n-grams a file of training or evaluation text holds, sorted, and in which of its documents.

Made once for each file and kept as a part: what a new evaluation text changes is found without reading any text but
that of the documents it hits. An index is cut into segments, so that making and reading one takes the same memory for
any file.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from tasks.arrays.utf8 import I64, U32, U64
from tasks.decontaminate import hashing, ordered
from tasks.decontaminate.evaluation import texts_of
from tasks.decontaminate.grams import BATCH_BYTES, Length, find_grams
from tasks.engine.stage import JSON, Part, StoredFile
from tasks.tables.parquet import batches, iterate_tables, write_table

SEGMENT_GRAMS = 1 << 21
"""N-grams in a segment before repetitions are left out: 32 MiB."""

GRAMS, STARTS, ROWS, CHECKS = "grams", "starts", "rows", "checks"
ANSWERS = "answers"
IDS = "examples.parquet"

EXAMPLE_IDS = pa.schema([pa.field("example", pa.string(), nullable=False)])
"""Rows of `examples.parquet`: the ids of an evaluation file's examples, in the order of their first text."""


@dataclass(frozen=True)
class Segment:
    """A segment of an index.

    Attributes:
        grams: uint64[n], sorted, each once.
        starts: uint32[n + 1], where the entries of each begin.
        rows: uint32, the documents of each: rows of a shard, ascending; or rows of `examples.parquet`, one for each
            text of the example that holds it.
        checks: uint64, for each entry the n-gram's second hash; of evaluation text only.
    """

    grams: Path
    starts: Path
    rows: Path
    checks: Path | None

    def open(self) -> U64:
        """Maps the n-grams into memory."""
        found: U64 = open_array(self.grams)
        return found

    def entries(self, places: I64) -> tuple[I64, I64]:
        """Returns the entries of the n-grams at some places, and which of these places each belongs to."""
        starts = open_array(self.starts, np.uint32)
        begins = starts[places].astype(np.int64)
        sizes = starts[places + 1].astype(np.int64) - begins
        ends = np.cumsum(sizes)
        entries = np.repeat(begins - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
        return entries, np.repeat(np.arange(len(places)), sizes)

    def rows_at(self, entries: I64) -> U32:
        """Returns the documents of some entries."""
        found: U32 = open_array(self.rows, np.uint32)[entries]
        return found

    def checks_at(self, entries: I64) -> U64:
        """Returns the second hashes of some entries of evaluation text."""
        assert self.checks is not None
        found: U64 = open_array(self.checks)[entries]
        return found

    def documents_of(self, places: I64) -> I64:
        """Returns in how many documents the n-grams at some places stand."""
        starts = open_array(self.starts, np.uint32)
        found: I64 = starts[places + 1].astype(np.int64) - starts[places]
        return found


def segments_of(files: Mapping[str, StoredFile], path: Callable[[StoredFile], Path]) -> list[Segment]:
    """Returns the segments that a part left, in order."""
    numbers = sorted(name.removeprefix(GRAMS) for name in files if name.startswith(GRAMS))
    found = [
        {name: path(files[name + number]) for name in (GRAMS, STARTS, ROWS, CHECKS) if name + number in files}
        for number in numbers
    ]
    return [Segment(one[GRAMS], one[STARTS], one[ROWS], one.get(CHECKS)) for one in found]


def open_array(path: Path, kind: type[Any] = np.uint64) -> Any:
    """Maps a file of nothing but numbers into memory; only what is looked at is read.

    A night opens hundreds: NumPy's own files have a header, which takes ten times as long to read.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return np.zeros(0, dtype=kind)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=kind)


class _Writer:
    """Collects n-grams and the documents they stand in, and writes segments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: list[tuple[U64, U32, U64]] = []
        self._held = 0
        self._segments = 0

    def add(self, grams: U64, rows: U32, checks: U64) -> None:
        """Takes n-grams in the order of the documents, each once a text; `checks` is empty for training text."""
        self._pending.append((grams, rows, checks))
        self._held += len(grams)
        if self._held >= SEGMENT_GRAMS:
            self.close()

    def close(self) -> None:
        """Writes what is pending; an index has one segment at least."""
        if not self._held and self._segments:
            return
        none = (np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint64))
        grams, rows, checks = (np.concatenate(arrays) for arrays in zip(none, *self._pending, strict=True))
        self._pending.clear()
        if len(checks):
            grams, order = ordered.sort_with(grams, np.arange(len(grams), dtype=np.uint32))
            rows, checks = rows[order], checks[order]
            self._save(CHECKS, checks)
        else:
            grams, rows = ordered.sort_with(grams, rows)
        starts = np.empty(len(grams) + 1, dtype=np.uint32)
        used = ordered.condense(grams, starts)
        self._save(GRAMS, grams[:used])
        self._save(STARTS, starts[: used + 1])
        self._save(ROWS, rows)
        self._held = 0
        self._segments += 1

    def _save(self, name: str, array: npt.NDArray[Any]) -> None:
        array.tofile(self._folder / f"{name}-{self._segments:04}")


def length_of(part: Part) -> Length:
    """Returns the length of n-grams from a part's parameters."""
    return Length(part.parameters["ngram"], part.parameters["min_tokens"])


def index_training(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the segments of a shard's index.

    Returns the documents by source and language.
    """
    length = length_of(part)
    documents: dict[str, dict[str, int]] = {}
    read = 0
    writer = _Writer(folder)
    none = np.zeros(0, dtype=np.uint64)
    for table in iterate_tables(part.files[0].path, ["source", "language", "text"]):
        for row in table.group_by(["source", "language"]).aggregate([([], "count_all")]).to_pylist():
            counts = documents.setdefault(row["source"], {})
            counts[row["language"]] = counts.get(row["language"], 0) + row["count_all"]
        for batch in batches(table, "text", BATCH_BYTES):
            found = find_grams(batch["text"], length, whole=False)
            places, owners = hashing.once_a_text(found.values, found.ahead)
            writer.add(found.values[places], owners + np.uint32(read), none)
            read += batch.num_rows
    writer.close()
    return {"documents": documents}


def index_evaluation(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the index of an evaluation file, `examples.parquet`, and `answers`, the n-grams of its answers.

    Returns the number of examples, and of texts too short to be looked for.
    """
    length = length_of(part)
    answers = [np.zeros(0, dtype=np.uint64)]
    numbers: dict[str, int] = {}
    short = 0
    writer = _Writer(folder)
    for ids, texts, is_answer in texts_of(part.files[0].path, part.parameters["kind"]):
        for batch in batches(pa.table({"id": ids, "text": texts}), "text", BATCH_BYTES):
            found = find_grams(batch["text"], length, whole=True)
            short += int((np.diff(found.ahead) == 0).sum())
            examples = np.array([numbers.setdefault(one, len(numbers)) for one in batch["id"].to_pylist()], np.uint32)
            places, owners = hashing.once_a_text(found.values, found.ahead)
            checks = hashing.checks(found.firsts[places], found.sizes[places], found.hashes)
            writer.add(found.values[places], examples[owners], checks)
            if is_answer:
                answers.append(ordered.unique(found.values))
    writer.close()
    ordered.unique(np.concatenate(answers)).tofile(folder / ANSWERS)
    write_table(folder / IDS, pa.table({"example": pa.array(numbers, pa.string())}), EXAMPLE_IDS)
    return {"examples": len(numbers), "short": short}


def examples_in_order(path: Path) -> tuple[pl.Series, U32]:
    """Returns an evaluation file's example ids, sorted, and for each of its rows the place among them."""
    ids = pl.read_parquet(path)["example"]
    order = ids.arg_sort()
    ranks = np.empty(len(ids), dtype=np.uint32)
    ranks[order.to_numpy()] = np.arange(len(ids), dtype=np.uint32)
    return ids.gather(order), ranks
