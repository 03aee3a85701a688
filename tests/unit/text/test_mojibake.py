"""Wrongly decoded text is repaired; text that is right is never touched."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.clean import UnicodeConfig
from tasks.text.characters import normalise
from tasks.text.mojibake import repair_text, suspects

CHINESE = "这是一个关于数据的中文文档，我们用它测试。"


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("I donâ€™t know, she said â€œyesâ€\u009d.", "I don’t know, she said “yes”."),
        ("The cafÃ© is prÃªt.", "The café is prêt."),
        (CHINESE.encode().decode("latin-1"), CHINESE),
        (CHINESE.encode("gbk").decode("latin-1"), CHINESE),
        ("Title: " + CHINESE.encode("gb2312").decode("cp1252"), "Title: " + CHINESE),
    ],
)
def test_text_read_with_the_wrong_encoding_is_repaired(broken: str, whole: str) -> None:
    result = normalise(pl.Series([broken, "ordinary"]), UnicodeConfig())
    assert result["text"].to_list() == [whole, "ordinary"]
    assert result["repaired"].to_list() == [True, False]


def test_only_the_broken_lines_of_a_text_are_repaired() -> None:
    assert repair_text("naïve “quotes” stay\ncafÃ©\n" + CHINESE) == "naïve “quotes” stay\ncafé\n" + CHINESE


@pytest.mark.parametrize(
    "text",
    [
        "“Don’t,” she said — naïvely — at the café… €5 ½ °C ×",
        "L’été, où êtes-vous? Ça va. Où ? À Noël «déjà vu»",
        "Größe, Übermäßigkeit, NÃO, SÃO PAULO, MAÇÃ, AÑO, CORAÇÃO",
        "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþ",
        "···················· °°°°°° §§§§§§ ¤¤¤¤¤¤¤¤",
        "Привет, мир. Γειά σου. こんにちは、世界。안녕하세요",
        CHINESE,
        "繁體中文，國語「引號」。",
        "fi ligature: ﬁ &amp; &eacute; stay as they are",
    ],
)
def test_ordinary_text_is_not_changed(text: str) -> None:
    assert repair_text(text) == text
    assert not normalise(pl.Series([text]), UnicodeConfig())["repaired"][0]


@settings(max_examples=100, deadline=None)
@given(
    st.text(
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5) | st.sampled_from("，。！？、：；“”‘’《》（） \n")
    )
)
def test_chinese_text_is_never_even_suspected(text: str) -> None:
    assert not suspects(pl.Series([text]))[0]


def test_repair_can_be_turned_off() -> None:
    config = UnicodeConfig(repair_mojibake=False)
    assert normalise(pl.Series(["cafÃ©"]), config)["text"][0] == "cafÃ©"
