"""Word lists: what counts as an occurrence, and what limits mean."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.clean import WordListConfig
from tasks.clean.unwanted import WordList, exceeds, occurrences, read_words

TEXTS = st.lists(st.text(st.sampled_from(list("abAB é_1.中文")), max_size=25), min_size=1, max_size=4)
WORDS = st.lists(
    st.text(st.sampled_from(list("ab中文 ")), min_size=1, max_size=4).filter(str.strip), max_size=4, unique=True
)


def occurrences_plainly(text: str, words: list[str], whole: bool) -> tuple[int, int]:
    edge = r"[A-Za-z0-9_\x80-\U0010ffff]"
    found = [
        (rf"(?<!{edge})" if whole else "") + f"(?={re.escape(word)}" + (rf"(?!{edge})" if whole else "") + ")"
        for word in words
    ]
    counts = [len(re.findall(pattern, text, re.I | re.A)) for pattern in found]
    return sum(counts), sum(count * len(word) for count, word in zip(counts, words, strict=True))


@settings(max_examples=150, deadline=None)
@given(TEXTS, WORDS, st.booleans())
def test_occurrences_agree_with_plain_expressions(texts: list[str], words: list[str], whole: bool) -> None:
    counts, sizes = occurrences(pl.Series(texts), words, whole=whole)
    assert list(zip(counts.tolist(), sizes.tolist(), strict=True)) == [
        occurrences_plainly(text, words, whole) for text in texts
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_count": 0}, [False, True, True]),
        ({"max_count": 1}, [False, False, True]),
        ({"max_count": None, "max_share": 0.5}, [False, False, True]),
    ],
)
def test_limits_are_of_occurrences_and_of_their_share(settings: dict[str, object], expected: list[bool]) -> None:
    texts = pl.Series(["fine words", "one spam among many other words", "spam Spam spammer"])
    config = WordListConfig.model_validate({"path": "x", "language": "en", **settings})
    characters = texts.str.count_matches(r"\S").cast(pl.Int64)
    assert exceeds(texts, characters, WordList("word_list_x", config, ("spam",))).to_list() == expected


def test_a_list_is_read_without_comments_blank_lines_and_repetitions(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# comment\nspam\n\n  ham and eggs \nspam\n垃圾\n", encoding="utf-8")
    assert read_words(path) == ("spam", "ham and eggs", "垃圾")
