"""The counts that rules look at agree with counting character by character."""

from __future__ import annotations

import unicodedata
from itertools import groupby

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clean.counts import count
from tasks.clean.kernels import MIN_RUN


def count_slowly(text: str) -> dict[str, int]:
    """The plain definition of what is counted in texts without rare scripts."""
    visible = [char for char in text if unicodedata.category(char)[0] != "Z" and char not in "\n\t"]
    han = [char for char in visible if "\u4e00" <= char <= "\u9fff"]
    letters = [char for char in visible if unicodedata.category(char)[0] == "L"]
    runs = [(char, len(list(group))) for char, group in groupby(text)]
    lines = [line.strip(" \t") for line in text.split("\n")]
    lines = [line for line in lines if any(unicodedata.category(char)[0] == "L" for char in line)]
    return {
        "characters": len(visible),
        "letters": len(letters),
        "han": len(han),
        "digits": sum(unicodedata.category(char)[0] == "N" for char in visible),
        "run_characters": sum(size for char, size in runs if size >= MIN_RUN and char not in " \n\t"),
        "line_characters": sum(map(len, lines)),
        "duplicate_line_characters": sum(map(len, lines)) - sum(map(len, set(lines))),
    }


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("aB中文的。, 1٣é=-\n\tя"), max_size=40) | st.text("=a\n", max_size=60), max_size=6)
)
def test_counts_agree_with_their_definition(texts: list[str]) -> None:
    counts = count(pl.Series(texts, dtype=pl.String))
    assert counts.height == len(texts)
    for text, row in zip(texts, counts.iter_rows(named=True), strict=True):
        expected = count_slowly(text)
        assert {name: row[name] for name in expected} == expected


def test_words_are_runs_of_letters_and_digits_and_han_characters_are_none() -> None:
    row = count(pl.Series(["Don't use x1 in 中文 naïve"])).row(0, named=True)
    assert (row["words"], row["word_characters"]) == (6, 16)


def test_scripts_are_told_apart() -> None:
    row = count(pl.Series(["aé中々カなя가😀¡5\u0301"])).row(0, named=True)
    found = {name: row[name] for name in ("latin", "han", "kana", "foreign", "symbols", "digits")}
    assert found == {"latin": 2, "han": 2, "kana": 2, "foreign": 2, "symbols": 2, "digits": 1}
