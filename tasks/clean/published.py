"""What the published rules (Gopher, C4, FineWeb) need to know of each text, as columns for `rules`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.config.quality import Quality, QualityConfig
from schemas.splits import LANGUAGES
from tasks.arrays.utf8 import as_bytes
from tasks.clean import kernels
from tasks.clean.properties import properties

LOREM_IPSUM = "lorem_ipsum"
CURLY_BRACKETS = "curly_brackets"
"""Columns of `page_marks`, int8: whether they stand in the text."""


def is_needed(thresholds: Quality) -> bool:
    """Whether a group of published rules is on."""
    found = (thresholds.gopher_quality, thresholds.gopher_repetition, thresholds.c4, thresholds.fineweb)
    return any(group.enabled for group in found)


def page_marks(texts: pl.Series) -> pl.DataFrame:
    """Looks for what makes C4 drop a whole page."""
    return pl.DataFrame(
        {
            LOREM_IPSUM: texts.str.contains_any(["lorem ipsum"], ascii_case_insensitive=True).cast(pl.Int8),
            CURLY_BRACKETS: texts.str.contains("{", literal=True).cast(pl.Int8),
        }
    )


def measures(texts: pl.Series, languages: pl.Series, config: QualityConfig) -> pl.DataFrame:
    """Measures texts of `en` and `zh`: a column for each of `kernels.COLUMNS`, and `top_0` …, `repeated_0` … for the
    n-grams of `ngram_lengths`."""
    data, starts = as_bytes(texts)
    chinese = (languages == "zh").to_numpy()
    found, top, repeated = kernels.measure(
        data,
        starts,
        chinese,
        np.where(chinese, config.zh.fineweb.short_line_characters, config.en.fineweb.short_line_characters),
        kernels.word_hashes(config.en.gopher_quality.stop_words),
        kernels.word_hashes(config.zh.gopher_quality.stop_words),
        properties(),
        _lengths(config, "max_top_ngram_share"),
        _lengths(config, "max_duplicate_ngram_share"),
    )
    columns = {name: found[:, place] for place, name in enumerate(kernels.COLUMNS)}
    columns |= {f"top_{place}": top[:, place] for place in range(top.shape[1])}
    columns |= {f"repeated_{place}": repeated[:, place] for place in range(repeated.shape[1])}
    return pl.DataFrame(columns)


def ngram_lengths(thresholds: Quality, name: str) -> list[int]:
    """Returns the lengths of n-grams that a limit is set for, ascending; none while the group is off."""
    group = thresholds.gopher_repetition
    return sorted(getattr(group, name)) if group.enabled else []


def _lengths(config: QualityConfig, name: str) -> npt.NDArray[np.int64]:
    lengths = [ngram_lengths(getattr(config, language), name) for language in LANGUAGES]
    table = np.zeros((len(lengths), max(map(len, lengths))), dtype=np.int64)
    for row, found in enumerate(lengths):
        table[row, : len(found)] = found
    return table
