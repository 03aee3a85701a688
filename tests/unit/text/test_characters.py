"""Characters and white space are made uniform, once and for all."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.clean import UnicodeConfig
from tasks.text.characters import normalise

AWKWARD = st.sampled_from(
    list("Ãâ€™©Â¤ÐžÖÎÄÐ中文的。，ＡＢ１e\u0301\u0300\u200b\u200d\ufeff\u00ad\u0085\u0080\u009f")
    + list("\u3000\u00a0\u2003\u2028\r\n\t \x08\x1b[m\x00\ue000\ufffd")
)


def clean(text: str, **settings: object) -> str:
    return normalise(pl.Series([text]), UnicodeConfig.model_validate(settings))["text"][0]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.text(AWKWARD, max_size=30)), max_size=8), st.booleans())
def test_normalising_twice_changes_nothing_more(texts: list[str], fold: bool) -> None:
    config = UnicodeConfig(fold_full_width=fold)
    once = normalise(pl.Series(texts, dtype=pl.String), config)["text"]
    twice = normalise(once, config)["text"]
    assert twice.to_list() == once.to_list()
    assert all(unicodedata.is_normalized("NFC", text) for text in once)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(AWKWARD, max_size=20), min_size=1, max_size=6))
def test_a_text_is_normalised_alike_alone_and_among_others(texts: list[str]) -> None:
    together = normalise(pl.Series(texts), UnicodeConfig())["text"].to_list()
    assert together == [clean(text) for text in texts]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\ufeffzero\u200bwidth soft\u00adhyphen", "zerowidth softhyphen"),
        ("non\u00a0breaking\u2009thin", "non breaking thin"),
        ("cafe\u0301", "café"),
        ("\x1b[1mbold\x1b[0m N\x08NA\x08AM", "bold NAM"),
        ("icon \ue0b0 gone, \x07bell too", "icon  gone, bell too"),
        ("　　第一段。\n　　春眠不觉晓　处处闻啼鸟", "第一段。\n春眠不觉晓 处处闻啼鸟"),
        ("def f():\n    if x:  \n\t\treturn\t1\n", "def f():\n    if x:\n\t\treturn\t1"),
        ("\n\n    indented first line\n", "    indented first line"),
        ("a\n\n\n\n\n \n\nb", "a\n\n\nb"),
        ("│ key" + " " * 60 + "┆ date │\n│ str" + " " * 60 + "┆ date │",) * 2,
        ("a" + " " * 500 + "b", "a" + " " * 120 + "b"),
        ("全角ＡＢＣ，标点。", "全角ＡＢＣ，标点。"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("lost \ufffd character", "lost \ufffd character"),
    ],
)
def test_characters_are_made_uniform(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_full_width_letters_and_digits_are_folded_on_demand_but_chinese_punctuation_stays() -> None:
    assert clean("全角ＡＢＣ１２３，标点。", fold_full_width=True) == "全角ABC123，标点。"


def test_private_use_characters_can_be_kept() -> None:
    assert clean("a\ue000b", keep_private_use=True) == "a\ue000b"
