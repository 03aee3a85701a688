"""Cleans one part: streams its documents through all steps, in order, and counts what became of them.

Every step looks at one document at a time, so the result does not depend on how documents are batched; batches are
bounded by characters, so memory is bounded too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.compute as pc

from schemas.config.clean import CleanConfig, LicenceConfig
from schemas.config.quality import QualityConfig
from schemas.tables import CLEANED, COLLECTED, DROPPED, LANGUAGES, ORIGIN
from tasks.arrays.utf8 import U64
from tasks.clean import lines
from tasks.clean import samples as samples_
from tasks.clean.counts import count
from tasks.clean.language import languages, word_count
from tasks.clean.licences import is_allowed
from tasks.clean.lines import boilerplate_lines, c4_lines
from tasks.clean.published import is_needed, measures, page_marks
from tasks.clean.rules import LICENCE_NOT_ALLOWED, MIXED_LANGUAGE, NO_LINES_LEFT, ONLY_BOILERPLATE, first_failure
from tasks.clean.unwanted import WordList, exceeds, read_words
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, batches, iterate_tables
from tasks.text.boilerplate import read_hashes
from tasks.text.personal import KINDS
from tasks.text.preparation import prepare

BATCH_BYTES = 2_000_000
"""Text worked on at once; the arrays beside it take about 40 times as much."""

COUNTED_CHARACTERS = 2_000_000
"""Of a longer document only the beginning is counted, which bounds those arrays for it too."""

BY_SOURCE = ("dropped", "personal", "lines")


@dataclass
class Tally:
    """What became of the documents of a part; adds up over parts.

    `personal` counts what was replaced in documents that stay, by kind; `lines` what was taken out of all documents
    (or, of boilerplate that is only counted, found), by reason.
    """

    rows_in: int = 0
    rows_out: int = 0
    repaired: int = 0
    damaged_characters: int = 0
    characters_in: int = 0
    characters_out: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    dropped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    personal: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lines: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, other: Mapping[str, Any]) -> None:
        """Adds the figures of another tally."""
        for name in ("rows_in", "rows_out", "repaired", "damaged_characters", "characters_in", "characters_out"):
            setattr(self, name, getattr(self, name) + other[name])
        self.languages.update(other["languages"])
        for name in BY_SOURCE:
            for source, counts in other[name].items():
                getattr(self, name)[source].update(counts)

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
            **{
                name: {source: dict(sorted(counts.items())) for source, counts in sorted(getattr(self, name).items())}
                for name in BY_SOURCE
            },
        }


@dataclass(frozen=True, slots=True)
class Outside:
    """What decides besides the settings: frozen tables and lists.

    Attributes:
        boilerplate: For each source the hashes of its boilerplate lines, sorted.
        word_lists: Lists of unwanted words.
    """

    boilerplate: Mapping[str, U64] = field(default_factory=dict)
    word_lists: Sequence[WordList] = ()


def clean_part(part: Part, folder: Path) -> Mapping[str, JSON]:
    """Writes `documents.parquet` (CLEANED) and `dropped.parquet` (DROPPED), both in the order of the input, and
    `reject_samples.json`.

    The part's files are one table of documents, and tables of boilerplate lines named after their source.
    """
    config, outside = _settings(part)
    tally = Tally()
    samples: list[samples_.Sample] = []
    with (
        TableWriter(folder / "documents.parquet", CLEANED) as documents,
        TableWriter(folder / "dropped.parquet", DROPPED) as dropped,
    ):
        for table in iterate_tables(part.files[0].path, columns=COLLECTED.names):
            for batch in batches(table, "text", BATCH_BYTES):
                judged = judge(pl.DataFrame(batch), config, outside)
                documents.write(_kept(judged).to_arrow())
                left_out = _left_out(judged)
                dropped.write(left_out.to_arrow())
                tally.add(_figures(judged))
                few = [samples, samples_.chosen(left_out, config.reject_samples)]
                samples = samples_.merged(few, config.reject_samples)
    samples_.write(folder / samples_.FILE, samples)
    return tally.figures()


def sources_of(path: Path) -> list[str]:
    """Returns the sources that a table has documents of, sorted."""
    found: set[str] = set()
    for table in iterate_tables(path, columns=["source"]):
        found.update(pc.unique(table["source"]).to_pylist())
    return sorted(found)


def _settings(part: Part) -> tuple[CleanConfig, Outside]:
    places = part.execution.get("word_lists", {})
    settings = dict(part.parameters["settings"])
    settings["word_lists"] = {
        name: {**given, "path": places[name]} for name, given in settings.get("word_lists", {}).items()
    }
    config = CleanConfig.model_validate(settings)
    lists = [
        WordList(f"word_list_{name}", given, read_words(given.path))
        for name, given in sorted(config.word_lists.items())
    ]
    tables = {file.stored.name.removesuffix(".parquet"): read_hashes(file.path) for file in part.files[1:]}
    return config, Outside(tables, lists)


def judge(documents: pl.DataFrame, config: CleanConfig, outside: Outside | None = None) -> pl.DataFrame:
    """Cleans the texts of documents and finds for each its language and, where it has to go, the reason.

    Every decision is taken on the text as it is handed on, so a text that stays is left alone when it is cleaned again.

    Returns:
        The rows of `documents` (columns of COLLECTED) with `text` cleaned, and `raw` (text as collected), `language`,
        `reason` (null for those that stay), `repaired`, `damaged`, and counts of personal data replaced (`KINDS`) and
        of lines taken out (`lines.REASONS`).
    """
    outside = outside or Outside()
    raw = documents["text"]
    prepared = prepare(raw, documents["format"], config.html, config.unicode, config.personal)
    texts, line_counts = prepared.texts, _no_lines(len(raw))
    verdicts = _licences(documents["licence"], config.licence)
    if outside.boilerplate:
        before = texts
        texts, line_counts = boilerplate_lines(
            texts, documents["source"], outside.boilerplate, config.unicode, remove=config.boilerplate == "remove"
        )
        verdicts = _emptied(verdicts, before, texts, ONLY_BOILERPLATE)
    counts = count(texts.str.head(COUNTED_CHARACTERS))
    language = languages(texts.str.head(COUNTED_CHARACTERS), counts, config.language)
    marks = page_marks(texts) if config.quality.en.c4.enabled or config.quality.zh.c4.enabled else pl.DataFrame()
    if marks.width:
        before = texts
        rules = {name: getattr(config.quality, name).c4 for name in LANGUAGES}
        texts, taken_out = c4_lines(texts, language, rules, config.unicode)
        line_counts = line_counts + taken_out
        verdicts = _emptied(verdicts, before, texts, NO_LINES_LEFT)
        # Counted anew where lines went: what was Chinese may be nothing but an English line now.
        rows = (before != texts).arg_true()
        again = texts.gather(rows).str.head(COUNTED_CHARACTERS)
        counts_again = count(again)
        counts = _with_rows(counts, rows, counts_again)
        changed = languages(again, counts_again, config.language) != language.gather(rows)
        verdicts = verdicts.scatter(rows.filter(changed & verdicts.gather(rows).is_null()), MIXED_LANGUAGE)
    measured = pl.concat(
        [
            counts.with_columns(
                language,
                _function_words(texts.str.head(COUNTED_CHARACTERS), language),
                texts.str.len_chars().cast(pl.Int64).alias("length"),
                prepared.damaged.alias("damaged"),
            ),
            marks,
            _published(texts, language, config.quality),
        ],
        how="horizontal",
    )
    failed = measured.select(first_failure(config.quality).alias("reason"))["reason"]
    reasons = pl.select(pl.coalesce(verdicts, failed, _listed(texts, language, counts, outside.word_lists))).to_series()
    return documents.select(*(column.name for column in ORIGIN)).with_columns(
        raw.alias("raw"),
        texts.alias("text"),
        prepared.repaired,
        language,
        prepared.damaged.alias("damaged"),
        reasons.alias("reason"),
        *prepared.replaced,
        *line_counts,
    )


def _no_lines(documents: int) -> pl.DataFrame:
    return pl.DataFrame({reason: pl.zeros(documents, dtype=pl.Int64, eager=True) for reason in lines.REASONS})


def _emptied(verdicts: pl.Series, before: pl.Series, after: pl.Series, reason: str) -> pl.Series:
    rows = ((before != "") & (after == "") & verdicts.is_null()).arg_true()
    return verdicts.scatter(rows, reason)


def _with_rows(frame: pl.DataFrame, rows: pl.Series, other: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([frame[name].scatter(rows, other[name]) for name in frame.columns])


def _licences(licences: pl.Series, config: LicenceConfig) -> pl.Series:
    """Returns the reason to drop a document for its licence, or null."""
    if config.allow is None:
        return pl.repeat(None, len(licences), dtype=pl.String, eager=True)
    verdicts: dict[str, str | None] = {}
    for licence in licences.unique():
        known = bool(licence.strip())
        allowed = is_allowed(licence, config.allow) if known else config.unknown == "keep"
        verdicts[licence] = None if allowed else LICENCE_NOT_ALLOWED
    return licences.replace_strict(verdicts, return_dtype=pl.String)


def _listed(texts: pl.Series, language: pl.Series, counts: pl.DataFrame, lists: Sequence[WordList]) -> pl.Series:
    """Returns the name of the first list of unwanted words that a document has too many of, or null."""
    found = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
    for words in lists:
        rows = ((language == words.config.language) & found.is_null()).arg_true()
        unwanted = exceeds(texts.gather(rows), counts["characters"].gather(rows), words)
        found = found.scatter(rows.filter(unwanted), words.reason)
    return found


def _published(texts: pl.Series, language: pl.Series, config: QualityConfig) -> pl.DataFrame:
    """Measures what the published rules need, of documents in languages for which one of them is on."""
    wanted = [name for name in LANGUAGES if is_needed(getattr(config, name))]
    if not wanted:
        return pl.DataFrame()
    rows = language.is_in(wanted).arg_true()
    found = measures(texts.gather(rows).str.head(COUNTED_CHARACTERS), language.gather(rows), config)
    everywhere = pl.repeat(None, len(texts), dtype=pl.Int64, eager=True)
    return pl.DataFrame([everywhere.alias(column.name).scatter(rows, column) for column in found])


def _function_words(texts: pl.Series, language: pl.Series) -> pl.Series:
    found = pl.zeros(len(texts), dtype=pl.Int64, eager=True).alias("function_words")
    for name in LANGUAGES:
        rows = (language == name).arg_true()
        found = found.scatter(rows, word_count(texts.gather(rows), name))
    return found


def _kept(judged: pl.DataFrame) -> pl.DataFrame:
    return judged.filter(pl.col("reason").is_null()).select(*CLEANED.names)


def _left_out(judged: pl.DataFrame) -> pl.DataFrame:
    left_out = judged.filter(pl.col("reason").is_not_null())
    sample = samples_.shown(left_out["text"], left_out["raw"])
    return left_out.with_columns(sample.alias("sample")).select(*DROPPED.names)


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
        "personal": _by_source(kept, KINDS),
        "lines": _by_source(judged, lines.REASONS),
    }


def _by_source(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Adds columns up for each source, leaving out what is 0."""
    sums = rows.group_by("source").agg(pl.col(*columns).sum())
    found = {row["source"]: {name: row[name] for name in columns if row[name]} for row in sums.iter_rows(named=True)}
    return {source: counts for source, counts in found.items() if counts}
