"""Takes unwanted lines out of texts: what stands all over a source, and what C4's rules leave out.

A text is rewritten only where it loses a line. The rules look at one line at a time, so what is left loses nothing
when it is cleaned again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from schemas.config.clean import UnicodeConfig
from schemas.config.quality import C4
from tasks.arrays.utf8 import U8, U64, Bools, as_bytes, as_texts
from tasks.clean import kernels
from tasks.clean.properties import properties
from tasks.text.characters import layout
from tasks.text.lines import Lines, lines_of, without_lines

JAVASCRIPT = ("javascript",)
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "使用条款",
    "使用條款",
    "服务条款",
    "服務條款",
    "隐私政策",
    "隱私政策",
    "隐私权政策",
    "隱私權政策",
    "使用cookie",
    "使用 cookie",
    "cookie政策",
    "cookie 政策",
)
"""C4's (Raffel et al. 2020) and what Chinese pages say instead."""

BOILERPLATE = "boilerplate"
UNPUNCTUATED = "c4_unpunctuated"
FEW_WORDS = "c4_few_words"
JAVASCRIPT_LINE = "c4_javascript"
POLICY_LINE = "c4_policy"
REASONS = (BOILERPLATE, UNPUNCTUATED, FEW_WORDS, JAVASCRIPT_LINE, POLICY_LINE)
"""Why a line is taken out; of several the first counts."""


def boilerplate_lines(
    texts: pl.Series, sources: pl.Series, tables: Mapping[str, U64], config: UnicodeConfig, *, remove: bool
) -> tuple[pl.Series, pl.DataFrame]:
    """Finds lines of the texts' sources in sorted tables of their hashes, and takes them out if asked to.

    Returns:
        The texts, and how many lines were found in each (int64, a column for each of `REASONS`).
    """
    data, starts = as_bytes(texts)
    lines = lines_of(data, starts)
    unwanted = np.zeros(len(lines.text), dtype=np.bool_)
    for source, hashes in tables.items():
        rows = (sources == source).to_numpy()[lines.text]
        if len(hashes) and rows.any():
            places = np.minimum(np.searchsorted(hashes, lines.hashes), len(hashes) - 1)
            unwanted |= rows & (hashes[places] == lines.hashes)
    reasons = np.where(unwanted, np.int8(REASONS.index(BOILERPLATE)), np.int8(-1))
    counts = _counts(len(texts), lines, reasons)
    return (_rewritten(texts, data, starts, lines, unwanted, config) if remove else texts), counts


def c4_lines(
    texts: pl.Series, languages: pl.Series, rules: Mapping[str, C4], config: UnicodeConfig
) -> tuple[pl.Series, pl.DataFrame]:
    """Takes out the lines that C4's rules of each text's language leave out; returns as `boilerplate_lines` does."""
    data, starts = as_bytes(texts)
    lines = lines_of(data, starts)
    chinese = (languages == "zh").to_numpy()[lines.text]
    words, terminal = kernels.line_words(data, lines.begins, lines.ends, chinese, properties())
    reasons = np.full(len(words), -1, dtype=np.int8)
    for language, rule in rules.items():
        ours = (languages == language).to_numpy()[lines.text]
        if not rule.enabled or not ours.any():
            continue
        # What is said last stands, so the plainest reason comes last.
        if rule.drop_policy_lines:
            reasons[ours & _lines_with(texts, starts, lines, POLICIES)] = REASONS.index(POLICY_LINE)
        if rule.drop_javascript_lines:
            reasons[ours & _lines_with(texts, starts, lines, JAVASCRIPT)] = REASONS.index(JAVASCRIPT_LINE)
        if rule.min_line_words is not None:
            reasons[ours & (words < rule.min_line_words)] = REASONS.index(FEW_WORDS)
        if rule.terminal_marks:
            reasons[ours & ~terminal] = REASONS.index(UNPUNCTUATED)
    counts = _counts(len(texts), lines, reasons)
    return _rewritten(texts, data, starts, lines, reasons >= 0, config), counts


def _lines_with(texts: pl.Series, starts: np.ndarray, lines: Lines, phrases: tuple[str, ...]) -> Bools:
    """Marks the lines in which one of the phrases stands, ASCII letters in any case."""
    found = texts.str.find_many(list(phrases), ascii_case_insensitive=True)
    counts = found.list.len().to_numpy()
    places = np.repeat(starts[:-1], counts) + found.explode(empty_as_null=False).cast(pl.Int64).to_numpy()
    marked = np.zeros(len(lines.begins), dtype=np.bool_)
    if len(places):
        at = np.searchsorted(lines.begins, places, side="right") - 1
        marked[at[(at >= 0) & (places < lines.ends[np.maximum(at, 0)])]] = True
    return marked


def _rewritten(
    texts: pl.Series, data: U8, starts: np.ndarray, lines: Lines, unwanted: Bools, config: UnicodeConfig
) -> pl.Series:
    if not unwanted.any():
        return texts
    shorter = as_texts(*without_lines(data, starts, lines, unwanted), name=texts.name)
    rows = pl.Series(np.unique(lines.text[unwanted])).cast(pl.UInt32)
    return shorter.scatter(rows, layout(shorter.gather(rows), config))


def _counts(texts: int, lines: Lines, reasons: np.ndarray) -> pl.DataFrame:
    counts = np.zeros((texts, len(REASONS)), dtype=np.int64)
    some = reasons >= 0
    np.add.at(counts, (lines.text[some], reasons[some]), 1)
    return pl.DataFrame({reason: counts[:, place] for place, reason in enumerate(REASONS)})
