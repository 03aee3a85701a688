"""Traditional Chinese becomes simplified, once and for all, whatever stands beside it."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.clean import UnicodeConfig
from tasks.text.characters import normalise
from tasks.text.han import simplify

TRADITIONAL = st.text(
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from(list("乾隆著裡後面a\n，")), max_size=30
)


def test_texts_are_simplified_on_demand_and_others_stay() -> None:
    texts = pl.Series(["這個函數會返回一個列表，請參考說明文件。", "plain English", "", "乾隆皇帝的頭髮", "已經是简体"])
    config = UnicodeConfig(simplify_chinese=True)
    expected = ["这个函数会返回一个列表，请参考说明文件。", "plain English", "", "乾隆皇帝的头发", "已经是简体"]
    assert normalise(texts, config)["text"].to_list() == expected
    assert normalise(texts, UnicodeConfig())["text"].to_list() == texts.to_list()


@settings(max_examples=150, deadline=None)
@given(st.lists(TRADITIONAL, max_size=5))
def test_simplifying_twice_changes_nothing_and_neighbours_do_not_matter(texts: list[str]) -> None:
    once = simplify(pl.Series(texts, dtype=pl.String))
    assert simplify(once).to_list() == once.to_list()
    assert [simplify(pl.Series([text]))[0] for text in texts] == once.to_list()
