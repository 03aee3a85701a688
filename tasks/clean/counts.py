"""Counts what a document is made of: the figures that language and quality rules look at."""

from __future__ import annotations

import polars as pl

from tasks.arrays.utf8 import as_bytes
from tasks.clean import kernels
from tasks.clean.classes import LETTERS, CharacterClass, class_of_code_point


def count(texts: pl.Series) -> pl.DataFrame:
    """Returns one row of counts per text.

    Columns: characters (white space left out), letters, latin, han, kana, foreign, digits, symbols, words (runs of
    letters and digits; Han characters are not words), word_characters, run_characters (in runs of `MIN_RUN` and more),
    drawn (of these, symbols), line_characters, duplicate_line_characters (in lines that stood before; lines without
    letters do not count). All int64.
    """
    found = kernels.count_characters(*as_bytes(texts), class_of_code_point())
    by_kind = {kind.name.lower(): found[:, kind] for kind in CharacterClass}
    in_words = ("latin", "foreign", "digit", "mark")
    others = found[:, len(CharacterClass) :]
    return pl.DataFrame(
        {
            "characters": found[:, : len(CharacterClass)].sum(axis=1) - by_kind["space"],
            "letters": sum(found[:, kind] for kind in LETTERS),
            "latin": by_kind["latin"],
            "han": by_kind["han"],
            "kana": by_kind["kana"],
            "foreign": by_kind["foreign"],
            "digits": by_kind["digit"],
            "symbols": by_kind["symbol"],
            "words": others[:, 0],
            "word_characters": sum(by_kind[name] for name in in_words),
            "run_characters": others[:, 1],
            "drawn": others[:, 2],
            "line_characters": others[:, 3],
            "duplicate_line_characters": others[:, 4],
        }
    ).cast(pl.Int64)
