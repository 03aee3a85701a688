"""What the corpus is, counted file by file, for its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.config.decontaminate import DecontaminateConfig
from tasks.engine.stage import JSON, Part
from tasks.tables.card import Count, dataset_card
from tasks.tables.parquet import iterate_tables

COLUMNS = {
    "id": "name of the document: 32 hex digits of the sha256 of its raw text",
    "source": "name of the source it came from",
    "path": "where it lies in its source",
    "offset": "its number in a file of records; 0 for a file that is one document",
    "licence": "licence, as the source states it",
    "origin": "its address, or what it is part of, such as a package and its version",
    "first_seen": "day on which its file was first seen",
    "date": "when it was captured or last edited, as its record says; empty where it says nothing",
    "language": "`en` or `zh`",
    "text": "the text",
    "cluster": "name of the earliest of the documents that resemble it",
}

_KEYS = ["source", "licence", "language"]


class Counts:
    """Counts documents, bytes of text, and days by source, licence and language."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], list[JSON]] = {}

    def add(self, table: pa.Table) -> None:
        """Counts some SHARDED rows."""
        sized = table.select([*_KEYS, "first_seen"]).append_column("bytes", pc.binary_length(table["text"]))
        counted = sized.group_by(_KEYS, use_threads=False).aggregate(
            [("bytes", "count"), ("bytes", "sum"), ("first_seen", "min"), ("first_seen", "max")]
        )
        for row in counted.to_pylist():
            new = [row["bytes_count"], row["bytes_sum"], row["first_seen_min"], row["first_seen_max"]]
            old = self._found.setdefault((row["source"], row["licence"], row["language"]), [0, 0, new[2], new[3]])
            old[:] = [old[0] + new[0], old[1] + new[1], min(old[2], new[2]), max(old[3], new[3])]

    def rows(self) -> list[JSON]:
        """Returns rows of [source, licence, language, documents, bytes of text, first and last day seen]."""
        return [[*key, *values] for key, values in sorted(self._found.items())]


def count_shard(part: Part, folder: Path) -> dict[str, JSON]:
    """Returns the `Counts` of a shard."""
    del folder
    counts = Counts()
    for table in iterate_tables(part.files[0].path, [*_KEYS, "first_seen", "text"]):
        counts.add(table)
    return {"counts": counts.rows()}


def card_of(split_counts: Mapping[str, Sequence[Sequence[JSON]]], config: DecontaminateConfig) -> str:
    """Returns the card of what `count_shard` counted in all files of each split."""
    added: dict[tuple[str, str, str, str], list[JSON]] = {}
    for split, rows in split_counts.items():
        for source, licence, language, documents, size, first, last in rows:
            old = added.setdefault((split, source, licence, language), [0, 0, first, last])
            old[:] = [old[0] + documents, old[1] + size, min(old[2], first), max(old[3], last)]
    order = list(split_counts)
    counts = [
        Count(*key, *values) for key, values in sorted(added.items(), key=lambda item: (order.index(item[0][0]), item))
    ]
    return dataset_card(counts, COLUMNS, _steps(config))


def _steps(config: DecontaminateConfig) -> list[str]:
    return [
        "Documents were collected from the sources above and cleaned: markup, control characters and damaged encodings "
        "repaired, other languages and what reads like no text left out.",
        "Of documents that are equal or nearly so, one stayed.",
        "Clusters of documents that resemble each other were divided among the splits, never across two.",
        f"From train, sentences were cut that share {config.ngram} words or Chinese characters in a row with the valid "
        f"or test split or with another evaluation set; documents hit in more than {config.max_share:.0%} of their "
        f"words were dropped. What stands in more than {config.boilerplate_documents} documents is no hit.",
    ]
