"""The quality rules, as data: each a reason, the thresholds it reads, and when a document fails it.

A rule is an expression over the columns that `first_failure` names. To add one: a threshold in
`schemas/config/clean.py` (null turns it off), and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from schemas.config.clean import Quality, QualityConfig
from schemas.tables import LANGUAGES

EMPTY = "empty"
"""Reason of documents in which nothing was left to read."""

NO_LETTERS = "no_letters"
"""Reason of documents without a single letter: no language to speak of."""

OTHER_LANGUAGE = "other_language"
"""Reason of documents in a language that the pipeline does not serve."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason to drop a document.

    Attributes:
        reason: What `dropped` and the counts call it.
        threshold: The setting of `Quality` (or its language's class) that it reads; rules of another language do not
            have it.
        fails: From the threshold, whether a document is to be dropped.
    """

    reason: str
    threshold: str
    fails: Callable[[float], pl.Expr]


def _share_of(part: str, whole: str, limit: float) -> pl.Expr:
    """More than a share. Multiplied, not divided: a document without any of the whole passes."""
    return pl.col(part) > limit * pl.col(whole)


RULES = (
    Rule("too_short", "min_characters", lambda limit: pl.col("characters") < limit),
    Rule("too_few_words", "min_words", lambda limit: pl.col("words") < limit),
    Rule("too_few_han", "min_han", lambda limit: pl.col("han") < limit),
    Rule("too_long", "max_characters", lambda limit: pl.col("length") > limit),
    Rule("damaged", "max_damaged_share", lambda limit: _share_of("damaged", "characters", limit)),
    # Titles are underlined and tables are drawn with long runs of symbols: those say nothing of the text between.
    Rule(
        "few_letters",
        "min_letter_share",
        lambda limit: pl.col("letters") < limit * (pl.col("characters") - pl.col("drawn")),
    ),
    Rule(
        "symbols",
        "max_symbol_share",
        lambda limit: pl.col("symbols") - pl.col("drawn") > limit * (pl.col("characters") - pl.col("drawn")),
    ),
    Rule("repeated_characters", "max_run_share", lambda limit: _share_of("run_characters", "characters", limit)),
    Rule(
        "duplicate_lines",
        "max_duplicate_line_share",
        lambda limit: _share_of("duplicate_line_characters", "line_characters", limit),
    ),
    Rule("word_length", "min_mean_word_length", lambda limit: pl.col("word_characters") < limit * pl.col("words")),
    Rule("word_length", "max_mean_word_length", lambda limit: _share_of("word_characters", "words", limit)),
    Rule(
        "no_function_words",
        "min_function_word_share",
        # Rounded down, so that a short text need not have any. Latin names in Chinese need no Chinese function words.
        lambda limit: (
            pl.col("function_words")
            < (limit * pl.when(pl.col("language") == "zh").then(pl.col("han")).otherwise(pl.col("words"))).floor()
        ),
    ),
)
"""In the order in which they are asked: what is cheap to understand first."""


def first_failure(config: QualityConfig) -> pl.Expr:
    """Returns an expression for the reason to drop a document, null for those that stay.

    Reads the columns of `count`, and `language`, `length` (in characters), `damaged` and `function_words`.
    """
    failures = [
        pl.when(pl.col("characters") == 0).then(pl.lit(EMPTY)),
        pl.when(pl.col("letters") == 0).then(pl.lit(NO_LETTERS)),
        pl.when(pl.col("language") == "").then(pl.lit(OTHER_LANGUAGE)),
    ]
    for language in LANGUAGES:
        thresholds: Quality = getattr(config, language)
        for rule in RULES:
            limit = getattr(thresholds, rule.threshold, None)
            if limit is not None:
                fails = (pl.col("language") == language) & rule.fails(limit)
                failures.append(pl.when(fails).then(pl.lit(rule.reason)))
    return pl.coalesce(failures)
