"""The compiled measures equal the plain definitions, on made-up texts and on real ones."""

from __future__ import annotations

import clean_reference as reference
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arrays.utf8 import as_bytes
from tasks.clean import kernels
from tasks.clean.properties import properties

TOP, REPEATED = [[2, 3, 4], [3, 5, 6]], [[5, 6, 7], [8, 10, 12]]
STOP_WORDS = {"en": ("the", "be", "a"), "zh": ("的", "是", "a")}
SHORT = 12

CHARACTERS = st.sampled_from(list('aBthe bé. .\n\n \t#.…!?"”)-•·,，。！？」的是不了一あア1٣😀x'))
PIECES = st.sampled_from(
    ["the ", "be ", "的", "是不", "hello world. ", "\n\n", "\n", "- ", "...", "……", "a\n", "你好。"]
)


def compare(texts: list[str], language: str) -> None:
    data, starts = as_bytes(pl.Series(texts, dtype=pl.String))
    chinese = np.full(len(texts), language == "zh")
    found, top, repeated = kernels.measure(
        data,
        starts,
        chinese,
        np.full(len(texts), SHORT, dtype=np.int64),
        kernels.word_hashes(STOP_WORDS["en"]),
        kernels.word_hashes(STOP_WORDS["zh"]),
        properties(),
        np.array(TOP),
        np.array(REPEATED),
    )
    place = int(language == "zh")
    for row, text in enumerate(texts):
        expected = reference.measures(text, language, SHORT, set(STOP_WORDS[language]))
        assert dict(zip(kernels.COLUMNS, found[row].tolist(), strict=True)) == expected, text
        units = reference.units(text, language)
        assert top[row].tolist() == [reference.top_gram_size(units, n) for n in TOP[place]], text
        assert repeated[row].tolist() == [reference.repeated_gram_size(units, n) for n in REPEATED[place]], text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(CHARACTERS, max_size=60) | st.lists(PIECES, max_size=40).map("".join), max_size=4),
    st.sampled_from(["en", "zh"]),
)
def test_measures_agree_with_their_definitions(texts: list[str], language: str) -> None:
    compare(texts, language)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_measures_of_real_texts_agree_with_their_definitions(language: str) -> None:
    compare(reference.real_texts(), language)


@settings(max_examples=60, deadline=None)
@given(st.text(CHARACTERS, max_size=80), st.sampled_from(["en", "zh"]))
def test_lines_are_measured_like_texts(text: str, language: str) -> None:
    lines = [line.strip(" \t") for line in text.split("\n")]
    data, starts = as_bytes(pl.Series(lines))
    words, terminal = kernels.line_words(
        data, starts[:-1], starts[1:], np.full(len(lines), language == "zh"), properties()
    )
    for line, count, ends in zip(lines, words, terminal, strict=True):
        expected = reference.measures(line, language, SHORT, set())
        assert (count, ends) == (expected["rule_words"], bool(expected["punctuated_lines"]))
