"""Word lists of the user's: read once, and looked for in whole columns of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from schemas.config.clean import WordListConfig
from tasks.arrays.utf8 import I64, Bools, as_bytes


@dataclass(frozen=True, slots=True)
class WordList:
    """A list with its limits; `reason` is what documents are dropped for."""

    reason: str
    config: WordListConfig
    words: tuple[str, ...]


def read_words(path: Path) -> tuple[str, ...]:
    """Returns the words of a list, each once, in order.

    Raises:
        UnicodeDecodeError: The file is no UTF-8.
    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def exceeds(texts: pl.Series, characters: pl.Series, found: WordList) -> pl.Series:
    """Marks the texts with more of a list's words than it allows (bool).

    Every occurrence counts, also inside a longer one. An English word must have no letter, digit or `_` on either
    side; anything outside ASCII counts as a letter there.
    """
    counts, sizes = occurrences(texts, found.words, whole=found.config.language == "en")
    unwanted = np.zeros(len(texts), dtype=np.bool_)
    if found.config.max_count is not None:
        unwanted |= counts > found.config.max_count
    if found.config.max_share is not None:
        unwanted |= sizes > found.config.max_share * characters.to_numpy()
    return pl.Series(unwanted)


def occurrences(texts: pl.Series, words: Sequence[str], *, whole: bool) -> tuple[I64, I64]:
    """Counts in each text the occurrences of words, ASCII letters in any case, and the characters in them."""
    data, starts = as_bytes(texts)
    part_of_word = _parts_of_words()
    counts = np.zeros(len(texts), dtype=np.int64)
    sizes = np.zeros(len(texts), dtype=np.int64)
    # The search says where it found one, not which: so words of one length at a time.
    by_length: dict[tuple[int, int], list[str]] = {}
    for word in words:
        by_length.setdefault((len(word.encode()), len(word)), []).append(word)
    for (length, characters), alike in sorted(by_length.items()):
        places = texts.str.find_many(alike, ascii_case_insensitive=True, overlapping=True)
        rows = np.repeat(np.arange(len(texts)), places.list.len().to_numpy())
        if not len(rows):
            continue
        begins = starts[rows] + places.explode(empty_as_null=False).cast(pl.Int64).to_numpy()
        ends = begins + length
        if whole:
            before = (begins > starts[rows]) & part_of_word[data[np.maximum(begins - 1, 0)]]
            after = (ends < starts[rows + 1]) & part_of_word[data[np.minimum(ends, len(data) - 1)]]
            rows = rows[~(before | after)]
        found = np.bincount(rows, minlength=len(texts))
        counts += found
        sizes += found * characters
    return counts, sizes


def _parts_of_words() -> Bools:
    bytes_ = np.arange(256)
    return np.array([byte >= 128 or chr(byte).isalnum() or chr(byte) == "_" for byte in bytes_], dtype=np.bool_)
