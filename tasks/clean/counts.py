"""Counts what a document is made of: the figures that language and quality rules look at.

One table maps every code point to a class, so a batch of documents becomes one array of classes and the counts are one
`bincount`: no compilation to wait for, and some 25 million characters a second with all the rest.
"""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

MIN_RUN = 10
"""From this length on, a run of one character is counted as repetition."""


class CharacterClass(IntEnum):
    """What a character is, for counting."""

    SYMBOL = 0
    SPACE = 1
    LATIN = 2
    HAN = 3
    KANA = 4
    FOREIGN = 5
    DIGIT = 6
    MARK = 7


_LETTERS = (CharacterClass.LATIN, CharacterClass.HAN, CharacterClass.KANA, CharacterClass.FOREIGN)
_IN_WORD = np.zeros(len(CharacterClass), dtype=np.bool_)
_IN_WORD[[CharacterClass.LATIN, CharacterClass.FOREIGN, CharacterClass.DIGIT, CharacterClass.MARK]] = True

_HAN = ((0x3005, 0x3007), (0x3021, 0x3029), (0x3105, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_HAN_SUPPLEMENT = (0x20000, 0x323AF)
_KANA = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D))
_LATIN = ((0x41, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA722, 0xA7FF), (0xFB00, 0xFB06), (0xFF21, 0xFF5A))


@cache
def class_of_code_point() -> npt.NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in range(_HAN_SUPPLEMENT[0]):
        category = unicodedata.category(chr(code))
        if category[0] == "L":
            table[code] = CharacterClass.FOREIGN
        elif category[0] == "N":
            table[code] = CharacterClass.DIGIT
        elif category[0] == "M":
            table[code] = CharacterClass.MARK
        elif category[0] == "Z" or code in (0x09, 0x0A):
            table[code] = CharacterClass.SPACE
    letters = table == CharacterClass.FOREIGN
    for ranges, kind in ((_LATIN, CharacterClass.LATIN), (_KANA, CharacterClass.KANA)):
        for first, last in ranges:
            table[first : last + 1][letters[first : last + 1]] = kind
    for first, last in (*_HAN, _HAN_SUPPLEMENT):
        table[first : last + 1] = CharacterClass.HAN
    return table


def count(texts: pl.Series) -> pl.DataFrame:
    """Returns one row of counts per text.

    Columns: characters (white space left out), letters, latin, han, kana, foreign, digits, symbols, words (runs of
    letters and digits; Han characters are not words), word_characters, run_characters (in runs of `MIN_RUN` and more),
    drawn (of these, symbols), line_characters, duplicate_line_characters. All int64.
    """
    documents = len(texts)
    if not documents:
        return count(pl.Series([""])).clear()
    lengths = texts.str.len_chars().to_numpy().astype(np.int64) + 1  # and the newline that ends every document
    codes = np.frombuffer(("\n".join(texts.to_list()) + "\n").encode("utf-32-le"), dtype=np.uint32)
    classes = class_of_code_point()[codes]
    ends = np.cumsum(lengths)
    kinds = len(CharacterClass)
    slots = np.repeat(np.arange(documents, dtype=np.int64) * kinds, lengths)
    slots += classes
    counts = np.bincount(slots, minlength=documents * kinds).reshape(documents, kinds)
    by_kind = {kind: counts[:, kind] for kind in CharacterClass}

    in_word = _IN_WORD[classes]
    word_starts = in_word.copy()
    word_starts[1:] &= ~in_word[:-1]
    run_characters, drawn = _runs(codes, classes, ends)
    letters = sum((by_kind[kind] for kind in _LETTERS), start=np.zeros(documents, dtype=np.int64))
    return (
        pl.DataFrame(
            {
                "characters": counts.sum(axis=1) - by_kind[CharacterClass.SPACE],
                "letters": letters,
                "latin": by_kind[CharacterClass.LATIN],
                "han": by_kind[CharacterClass.HAN],
                "kana": by_kind[CharacterClass.KANA],
                "foreign": by_kind[CharacterClass.FOREIGN],
                "digits": by_kind[CharacterClass.DIGIT],
                "symbols": by_kind[CharacterClass.SYMBOL],
                "words": np.add.reduceat(word_starts, ends - lengths, dtype=np.int64),
                "word_characters": counts[:, _IN_WORD].sum(axis=1),
                "run_characters": run_characters,
                "drawn": drawn,
            },
        )
        .cast(pl.Int64)
        .hstack(_duplicate_lines(texts))
    )


def _runs(
    codes: npt.NDArray[np.uint32], classes: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts per document the characters in long runs of one character, and those of them that are symbols."""
    repeats = codes[1:] == codes[:-1]
    repeats &= classes[1:] != CharacterClass.SPACE
    positions = np.flatnonzero(repeats)  # few: of a run all but its last character
    first = np.diff(positions, prepend=-2) != 1
    starts = positions[first]
    lengths = np.bincount(np.cumsum(first) - 1, minlength=len(starts)) + 1
    long = lengths >= MIN_RUN
    starts, lengths = starts[long], lengths[long]
    document = np.searchsorted(ends, starts, side="right")
    symbols = classes[starts] == CharacterClass.SYMBOL
    run_characters = np.bincount(document, weights=lengths, minlength=len(ends))
    drawn = np.bincount(document, weights=lengths * symbols, minlength=len(ends))
    return run_characters.astype(np.int64), drawn.astype(np.int64)


def _duplicate_lines(texts: pl.Series) -> pl.DataFrame:
    """Counts characters in lines, and in lines that stood before; lines without letters do not count."""
    lines = (
        pl.DataFrame({"document": pl.int_range(len(texts), eager=True), "line": texts.str.split("\n")})
        .explode("line")
        .with_columns(pl.col("line").str.strip_chars(" \t"))
        .filter(pl.col("line").str.contains(r"\p{L}"))
        .group_by("document", "line")
        .agg(pl.len().cast(pl.Int64).alias("times"))
        .with_columns(pl.col("line").str.len_chars().cast(pl.Int64).alias("size"))
        .group_by("document")
        .agg(
            (pl.col("times") * pl.col("size")).sum().alias("line_characters"),
            ((pl.col("times") - 1) * pl.col("size")).sum().alias("duplicate_line_characters"),
        )
    )
    return (
        pl.DataFrame({"document": pl.int_range(len(texts), eager=True)})
        .join(lines, on="document", how="left", maintain_order="left")
        .select(pl.col("line_characters").fill_null(0), pl.col("duplicate_line_characters").fill_null(0))
    )
