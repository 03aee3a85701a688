"""Decides a document's language: `en`, `zh`, or `""` for any other.

Scripts decide most: Han against other letters, kana against Han (traditional and simplified Chinese are both `zh`).
What is written in Latin letters is English if its beginning has enough English function words; the rest (a few per
cent) is put before lingua, whose low-accuracy models load in 0.1 s and erred on 1 in 1,000 docstrings, as the full
ones did.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import polars as pl

from schemas.config.clean import LanguageConfig
from tasks.text.words import word_list

_SEPARATE_LANGUAGES = (
    "ENGLISH",
    "GERMAN",
    "FRENCH",
    "SPANISH",
    "ITALIAN",
    "PORTUGUESE",
    "DUTCH",
    "SWEDISH",
    "POLISH",
    "CZECH",
    "TURKISH",
    "INDONESIAN",
    "VIETNAMESE",
)
"""The languages most written in Latin letters on the web. Each more costs time and tempts lingua to see it in code."""


def languages(texts: pl.Series, counts: pl.DataFrame, config: LanguageConfig) -> pl.Series:
    """Returns a language per text, from the texts and what `tasks.clean.counts.count` says of them."""
    chinese = pl.col("han") + pl.col("kana")
    outside = pl.col("kana") + pl.col("foreign")
    found = (
        counts.select(
            pl.when(pl.col("letters") == 0)
            .then(pl.lit(""))
            .when(outside > config.max_foreign_share * pl.col("letters"))
            .then(pl.lit(""))
            .when((chinese < config.min_han_share * pl.col("letters")) | (chinese == 0))
            .then(None)
            .when(pl.col("kana") > config.max_kana_share * chinese)
            .then(pl.lit(""))
            .otherwise(pl.lit("zh"))
            .alias("language")
        )
    )["language"]
    # From cheap to dear, each only for what is left.
    undecided = found.is_null().arg_true()
    samples = _without_addresses(texts.gather(undecided).str.head(config.sample_characters))
    chinese_start = _begins_in_chinese(samples, config)
    found = found.scatter(undecided.filter(chinese_start), "zh")
    undecided, samples = undecided.filter(~chinese_start), samples.filter(~chinese_start)
    english = _reads_as_english(samples, config)
    found = found.scatter(undecided.filter(english), "en")
    undecided, samples = undecided.filter(~english), samples.filter(~english)
    # A beginning without sentences (a table) says nothing of the rest.
    english = _reads_as_english(_without_addresses(texts.gather(undecided)), config)
    found = found.scatter(undecided.filter(english), "en")
    undecided, samples = undecided.filter(~english), samples.filter(~english)
    # A Chinese remark in an English text is no evidence against English.
    confidences = english_confidence(samples.str.replace_all(r"\p{Han}", " ").to_list())
    decided = ["en" if confidence >= config.min_english_confidence else "" for confidence in confidences]
    return found.scatter(undecided, decided)


def _without_addresses(texts: pl.Series) -> pl.Series:
    """Leaves out web addresses: words of no language, and half of many a short text with references or badges."""
    return texts.str.replace_all(r"https?://[!-~]+", " ")


def _begins_in_chinese(samples: pl.Series, config: LanguageConfig) -> pl.Series:
    """Finds Chinese texts followed by so much code or so many names that their letters are mostly Latin."""
    han = samples.str.count_matches(r"\p{Han}").cast(pl.Int64)
    letters = samples.str.count_matches(r"\p{L}").cast(pl.Int64)
    return (han > 0) & (han >= config.min_han_share_of_beginning * letters)


def _reads_as_english(texts: pl.Series, config: LanguageConfig) -> pl.Series:
    words = texts.str.count_matches(r"[A-Za-z]+").cast(pl.Int64)
    return (words > 0) & (word_count(texts, "en_only") >= config.min_function_words * words)


def word_count(texts: pl.Series, name: str) -> pl.Series:
    """Counts in each text the words of a list (`tasks/text/words`), of Chinese ones the characters (int64)."""
    words = "|".join(re.escape(word) for word in word_list(name))
    # ASCII word boundaries: Unicode ones take the slow path of the regular expression engine.
    return texts.str.count_matches(words if name == "zh" else rf"(?i-u:\b(?:{words})\b)").cast(pl.Int64)


def english_confidence(samples: list[str]) -> list[float]:
    """Returns lingua's confidence that each text in Latin letters is English, 0 to 1.

    Its last digit varies from call to call (one part in 10¹⁵: it adds in the order of a hash table), so it is compared
    with a limit and never stored.
    """
    from lingua import Language

    # One after the other: the parallel call costs the same CPU, and parts already run side by side.
    return [_detector().compute_language_confidence(sample, Language.ENGLISH) for sample in samples]


@cache
def _detector() -> Any:
    from lingua import Language, LanguageDetectorBuilder

    separate = [getattr(Language, name) for name in _SEPARATE_LANGUAGES]
    return LanguageDetectorBuilder.from_languages(*separate).with_low_accuracy_mode().build()
