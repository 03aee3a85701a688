"""Indexes: which n-grams a file of training or evaluation text holds, sorted, 8 bytes each.

Made once for each file and kept as a part: comparing tonight's evaluation sets with all of train reads no text. An
index of training text is cut into segments, so that making and reading one takes the same memory for any file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.arrays.utf8 import I64, U64
from tasks.decontaminate import kernels
from tasks.decontaminate.evaluation import texts_of
from tasks.decontaminate.grams import BATCH_BYTES, Length, find_grams
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import batches, iterate_tables

SEGMENT_GRAMS = 1 << 21
"""N-grams in a segment before repetitions are left out: 16 MiB."""

GRAMS = "grams"
ANSWERS = "answers.npy"
COUNT = np.dtype([("place", "<i8"), ("documents", "<u4")])
"""An n-gram of a segment that stands in several documents: its place there, and in how many."""


def length_of(part: Part) -> Length:
    """Returns the length of n-grams from a part's parameters."""
    return Length(part.parameters["ngram"], part.parameters["min_tokens"])


def index_training(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `grams-<n>.npy` (uint64, sorted) and `counts-<n>.npy` (`COUNT`) for each segment of a shard.

    Returns the documents by source and language.
    """
    length = length_of(part)
    documents: dict[str, dict[str, int]] = {}
    pending: list[U64] = []
    held = segments = 0
    for table in iterate_tables(part.files[0].path, ["source", "language", "text"]):
        for row in table.group_by(["source", "language"]).aggregate([([], "count_all")]).to_pylist():
            counts = documents.setdefault(row["source"], {})
            counts[row["language"]] = counts.get(row["language"], 0) + row["count_all"]
        for batch in batches(table, "text", BATCH_BYTES):
            found = find_grams(batch["text"], length, whole=False)
            pending.append(kernels.once_a_text(found.values, found.ahead))
            held += len(pending[-1])
            if held >= SEGMENT_GRAMS:
                _write_segment(folder, segments, pending)
                segments, held = segments + 1, 0
    if held or not segments:
        _write_segment(folder, segments, pending)
    return {"documents": documents}


def _write_segment(folder: Path, number: int, pending: list[U64]) -> None:
    grams = np.concatenate(pending) if pending else np.zeros(0, dtype=np.uint64)
    pending.clear()
    grams.sort()
    used, places, documents = kernels.condense(grams)
    counts = np.zeros(len(places), dtype=COUNT)
    counts["place"], counts["documents"] = places, documents
    np.save(folder / f"{GRAMS}-{number:04}.npy", grams[:used], allow_pickle=False)
    np.save(folder / f"counts-{number:04}.npy", counts, allow_pickle=False)


def index_evaluation(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `grams.npy`, the n-grams of all texts of an evaluation file, and `answers.npy`, those of its answers.

    Returns the number of examples, and of texts too short to be looked for.
    """
    length = length_of(part)
    grams: list[U64] = []
    answers: list[U64] = []
    examples: set[str] = set()
    short = 0
    for ids, texts, is_answer in texts_of(part.files[0].path, part.parameters["kind"]):
        examples.update(ids.to_pylist())
        for batch in batches(pa.table({"text": texts}), "text", BATCH_BYTES):
            found = find_grams(batch["text"], length, whole=True)
            short += int((np.diff(found.ahead) == 0).sum())
            unique = kernels.unique(found.values)
            grams.append(unique)
            if is_answer:
                answers.append(unique)
    np.save(folder / f"{GRAMS}.npy", _union(grams), allow_pickle=False)
    np.save(folder / ANSWERS, _union(answers), allow_pickle=False)
    return {"examples": len(examples), "short": short}


def _union(arrays: list[U64]) -> U64:
    return kernels.unique(np.concatenate(arrays)) if arrays else np.zeros(0, dtype=np.uint64)


def open_index(path: Path) -> U64:
    """Maps an index into memory; only what is looked at is read."""
    mapped: U64 = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def documents_of(places: I64, counts: Path) -> I64:
    """Returns in how many documents of a segment the n-grams at some ascending places stand."""
    repeated = np.load(counts, allow_pickle=False)
    documents = np.ones(len(places), dtype=np.int64)
    where = np.searchsorted(places, repeated["place"])
    here = where < len(places)
    here[here] = places[where[here]] == repeated["place"][here]
    documents[where[here]] = repeated["documents"][here]
    return documents
