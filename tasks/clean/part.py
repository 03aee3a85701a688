"""Cleans one part: streams its documents through all steps, in order, and counts what became of them.

Every step looks at one document at a time, so the result does not depend on how documents are batched; batches are
bounded by characters, so memory is bounded too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.config.clean import CleanConfig
from schemas.tables import CLEANED, COLLECTED, DROPPED, LANGUAGES
from tasks.clean.characters import damaged_characters, normalise
from tasks.clean.counts import count
from tasks.clean.language import languages, word_count
from tasks.clean.markup import html_to_text
from tasks.clean.rules import first_failure
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, iterate_tables

BATCH_BYTES = 2_000_000
"""Text worked on at once; the arrays beside it take about 40 times as much."""

COUNTED_CHARACTERS = 2_000_000
"""Of a longer document only the beginning is counted, which bounds those arrays for it too."""

SAMPLE_CHARACTERS = 200
"""How much of a dropped document is kept to look at."""

_ORIGIN = ["id", "source", "path", "offset", "licence", "origin", "first_seen"]


@dataclass
class Tally:
    """What became of the documents of a part; adds up over parts."""

    rows_in: int = 0
    rows_out: int = 0
    repaired: int = 0
    damaged_characters: int = 0
    characters_in: int = 0
    characters_out: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    dropped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, other: Mapping[str, Any]) -> None:
        """Adds the figures of another tally."""
        for name in ("rows_in", "rows_out", "repaired", "damaged_characters", "characters_in", "characters_out"):
            setattr(self, name, getattr(self, name) + other[name])
        self.languages.update(other["languages"])
        for source, reasons in other["dropped"].items():
            self.dropped[source].update(reasons)

    def figures(self) -> dict[str, JSON]:
        """Returns the counts as JSON, in sorted order, every language named."""
        return {
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "repaired": self.repaired,
            "damaged_characters": self.damaged_characters,
            "characters_in": self.characters_in,
            "characters_out": self.characters_out,
            "languages": {language: self.languages[language] for language in LANGUAGES},
            "dropped": {source: dict(sorted(reasons.items())) for source, reasons in sorted(self.dropped.items())},
        }


def clean_part(part: Part, folder: Path) -> Mapping[str, JSON]:
    """Writes `documents.parquet` (CLEANED) and `dropped.parquet` (DROPPED), both in the order of the input."""
    config = CleanConfig.model_validate(part.parameters)
    tally = Tally()
    with (
        TableWriter(folder / "documents.parquet", CLEANED) as documents,
        TableWriter(folder / "dropped.parquet", DROPPED) as dropped,
    ):
        for file in part.files:
            for table in iterate_tables(file.path, columns=COLLECTED.names):
                for batch in _batches(table):
                    judged = judge(pl.DataFrame(batch), config)
                    documents.write(_kept(judged).to_arrow())
                    dropped.write(_left_out(judged).to_arrow())
                    tally.add(_figures(judged))
    return tally.figures()


def judge(documents: pl.DataFrame, config: CleanConfig) -> pl.DataFrame:
    """Cleans the texts of documents and finds for each its language and, where it has to go, the reason.

    Returns:
        The rows of `documents` (columns of COLLECTED) with `text` cleaned, and `raw` (text as collected), `language`,
        `reason` (null for those that stay), `repaired` and `damaged`.
    """
    raw = documents["text"]
    extracted = _extracted(documents, config)
    normal = normalise(extracted, config.unicode)
    texts = normal["text"]
    beginnings = texts.str.head(COUNTED_CHARACTERS)
    counts = count(beginnings)
    language = languages(beginnings, counts, config.language)
    measured = counts.with_columns(
        language,
        _function_words(beginnings, language),
        texts.str.len_chars().cast(pl.Int64).alias("length"),
        damaged_characters(extracted).alias("damaged"),
    )
    return documents.select(*_ORIGIN).with_columns(
        raw.alias("raw"),
        texts,
        normal["repaired"],
        measured["language"],
        measured["damaged"],
        measured.select(first_failure(config.quality).alias("reason"))["reason"],
    )


def _function_words(texts: pl.Series, language: pl.Series) -> pl.Series:
    found = pl.zeros(len(texts), dtype=pl.Int64, eager=True).alias("function_words")
    for name in LANGUAGES:
        rows = (language == name).arg_true()
        found = found.scatter(rows, word_count(texts.gather(rows), name))
    return found


def _extracted(documents: pl.DataFrame, config: CleanConfig) -> pl.Series:
    pages = (documents["format"] == "html").arg_true()
    texts = documents["text"].clone()
    if pages.is_empty():
        return texts
    return texts.scatter(pages, [html_to_text(page, config.html) for page in texts.gather(pages)])


def _batches(table: pa.Table) -> Iterator[pa.Table]:
    """Cuts a table where its texts reach `BATCH_BYTES`; a document larger than that is a batch of its own."""
    sizes = pl.Series(table.column("text")).str.len_bytes().to_list()
    start = size = 0
    for row, bytes_ in enumerate(sizes):
        if row > start and size + bytes_ > BATCH_BYTES:
            yield table.slice(start, row - start)
            start, size = row, 0
        size += bytes_
    if start < len(sizes):
        yield table.slice(start)


def _kept(judged: pl.DataFrame) -> pl.DataFrame:
    return judged.filter(pl.col("reason").is_null()).select(*CLEANED.names)


def _left_out(judged: pl.DataFrame) -> pl.DataFrame:
    """Shows the cleaned text of what was dropped, or the raw one where cleaning left nothing."""
    shown = pl.when(pl.col("text") == "").then(pl.col("raw")).otherwise(pl.col("text"))
    return (
        judged.filter(pl.col("reason").is_not_null())
        .with_columns(sample=shown.str.head(SAMPLE_CHARACTERS))
        .select(*DROPPED.names)
    )


def _figures(judged: pl.DataFrame) -> dict[str, Any]:
    kept = judged.filter(pl.col("reason").is_null())
    lost = judged.filter(pl.col("reason").is_not_null()).group_by("source", "reason").len()
    dropped: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for source, reason, rows in lost.iter_rows():
        dropped[source][reason] = rows
    return {
        "rows_in": judged.height,
        "rows_out": kept.height,
        "repaired": int(judged["repaired"].sum()),
        "damaged_characters": int(judged["damaged"].sum()),
        "characters_in": int(judged["raw"].str.len_chars().sum()),
        "characters_out": int(kept["text"].str.len_chars().sum()),
        "languages": dict(kept.group_by("language").len().iter_rows()),
        "dropped": dropped,
    }
