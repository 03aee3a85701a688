"""The quality rules, as data: each a reason, the threshold it reads, and when a document fails it.

A rule is an expression over the columns that `first_failure` names. To add one: a threshold in
`schemas/config/quality.py` (null turns it off), and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import polars as pl

from schemas.config.quality import Quality, QualityConfig
from schemas.splits import LANGUAGES
from tasks.clean.published import CURLY_BRACKETS, LOREM_IPSUM, ngram_lengths

EMPTY = "empty"
"""Reason of documents in which nothing was left to read."""

NO_LETTERS = "no_letters"
"""Reason of documents without a single letter: no language to speak of."""

OTHER_LANGUAGE = "other_language"
"""Reason of documents in a language that the pipeline does not serve."""

MIXED_LANGUAGE = "mixed_language"
"""Reason of documents that were in one language before lines were taken out of them and are not any more."""

ONLY_BOILERPLATE = "only_boilerplate"
"""Reason of documents whose every line stands all over their source."""

NO_LINES_LEFT = "c4_no_lines"
"""Reason of documents of which C4's rules left no line."""

LICENCE_NOT_ALLOWED = "licence_not_allowed"


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason to drop a document.

    Attributes:
        reason: What `dropped` and the counts call it.
        threshold: The setting of `Quality` (or its language's class) that it reads, `group.setting` for published
            rules; rules of another language do not have it.
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
    Rule("gopher_few_words", "gopher_quality.min_words", lambda limit: pl.col("rule_words") < limit),
    Rule("gopher_many_words", "gopher_quality.max_words", lambda limit: pl.col("rule_words") > limit),
    Rule(
        "gopher_word_length",
        "gopher_quality.min_mean_word_length",
        lambda limit: pl.col("word_size") < limit * pl.col("rule_words"),
    ),
    Rule(
        "gopher_word_length",
        "gopher_quality.max_mean_word_length",
        lambda limit: _share_of("word_size", "rule_words", limit),
    ),
    Rule("gopher_hashes", "gopher_quality.max_hash_word_ratio", lambda limit: _share_of("hashes", "rule_words", limit)),
    Rule(
        "gopher_ellipses",
        "gopher_quality.max_ellipsis_word_ratio",
        lambda limit: _share_of("ellipses", "rule_words", limit),
    ),
    Rule(
        "gopher_bullet_lines",
        "gopher_quality.max_bullet_line_share",
        lambda limit: _share_of("bullet_lines", "lines", limit),
    ),
    Rule(
        "gopher_ellipsis_lines",
        "gopher_quality.max_ellipsis_line_share",
        lambda limit: _share_of("ellipsis_lines", "lines", limit),
    ),
    Rule(
        "gopher_alphabetic_words",
        "gopher_quality.min_alphabetic_word_share",
        lambda limit: pl.col("letter_words") < limit * pl.col("units"),
    ),
    Rule("gopher_stop_words", "gopher_quality.min_stop_words", lambda limit: pl.col("stop_words") < limit),
    Rule(
        "gopher_duplicate_lines",
        "gopher_repetition.max_duplicate_line_share",
        lambda limit: _share_of("repeated_lines", "lines", limit),
    ),
    Rule(
        "gopher_duplicate_line_characters",
        "gopher_repetition.max_duplicate_line_character_share",
        lambda limit: _share_of("repeated_line_size", "line_size", limit),
    ),
    Rule(
        "gopher_duplicate_paragraphs",
        "gopher_repetition.max_duplicate_paragraph_share",
        lambda limit: _share_of("repeated_paragraphs", "paragraphs", limit),
    ),
    Rule(
        "gopher_duplicate_paragraph_characters",
        "gopher_repetition.max_duplicate_paragraph_character_share",
        lambda limit: _share_of("repeated_paragraph_size", "line_size", limit),
    ),
    Rule("c4_lorem_ipsum", "c4.drop_lorem_ipsum", lambda _: pl.col(LOREM_IPSUM) > 0),
    Rule("c4_curly_bracket", "c4.drop_curly_brackets", lambda _: pl.col(CURLY_BRACKETS) > 0),
    Rule("c4_few_sentences", "c4.min_sentences", lambda limit: pl.col("sentences") < limit),
    Rule(
        "fineweb_punctuation",
        "fineweb.min_punctuated_line_share",
        lambda limit: pl.col("punctuated_lines") < limit * pl.col("lines"),
    ),
    Rule("fineweb_short_lines", "fineweb.max_short_line_share", lambda limit: _share_of("short_lines", "lines", limit)),
    Rule(
        "fineweb_duplicate_characters",
        "fineweb.max_duplicate_character_share",
        lambda limit: _share_of("repeated_line_size", "line_size", limit),
    ),
    Rule(
        "fineweb_newlines",
        "fineweb.max_newline_word_ratio",
        lambda limit: _share_of("newlines", "rule_words", limit),
    ),
)
"""In the order in which they are asked: what is cheap to understand first."""


def first_failure(config: QualityConfig) -> pl.Expr:
    """Returns an expression for the reason to drop a document, null for those that stay; made once per settings.

    Reads the columns of `count`, and `language`, `length` (in characters), `damaged`, `function_words`; for published
    rules that are on, those of `published.measures` and `published.page_marks`.
    """
    return _first_failure(config.model_dump_json())


@cache
def _first_failure(settings: str) -> pl.Expr:
    config = QualityConfig.model_validate_json(settings)
    failures = [
        pl.when(pl.col("characters") == 0).then(pl.lit(EMPTY)),
        pl.when(pl.col("letters") == 0).then(pl.lit(NO_LETTERS)),
        pl.when(pl.col("language") == "").then(pl.lit(OTHER_LANGUAGE)),
    ]
    for language in LANGUAGES:
        failures += [
            pl.when((pl.col("language") == language) & fails).then(pl.lit(reason))
            for reason, fails in failing(getattr(config, language))
        ]
    return pl.coalesce(failures)


def failing(thresholds: Quality) -> list[tuple[str, pl.Expr]]:
    """Returns for a language, rule by rule, the reason and whether a document fails."""
    found = []
    for rule in RULES:
        limit = _limit(thresholds, rule.threshold)
        if limit is not None and limit is not False:
            found.append((rule.reason, rule.fails(limit)))
    for name, column, reason in (
        ("max_top_ngram_share", "top", "gopher_top_{}_gram"),
        ("max_duplicate_ngram_share", "repeated", "gopher_duplicate_{}_grams"),
    ):
        limits = getattr(thresholds.gopher_repetition, name)
        for place, n in enumerate(ngram_lengths(thresholds, name)):
            found.append((reason.format(n), _share_of(f"{column}_{place}", "unit_size", limits[n])))
    return found


def _limit(thresholds: Quality, path: str) -> float | None:
    group, _, name = path.rpartition(".")
    if not group:
        return getattr(thresholds, name, None)
    settings = getattr(thresholds, group)
    return getattr(settings, name) if settings.enabled else None
