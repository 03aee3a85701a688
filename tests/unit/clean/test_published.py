"""The published rules decide as their plain definitions do, and what they leave is left alone the next time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import clean_reference as reference
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.config.clean import CleanConfig
from schemas.config.quality import ChineseQuality, EnglishQuality, Quality, QualityConfig
from tasks.clean.lines import c4_lines
from tasks.clean.part import judge
from tasks.clean.published import measures, page_marks
from tasks.clean.rules import failing

Documents = Callable[..., pl.DataFrame]

GROUPS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
ON = {group: {"enabled": True} for group in GROUPS}
LENIENT: dict[str, Any] = {
    "gopher_quality": {"enabled": True, "min_words": 2, "min_stop_words": 1},
    "c4": {"enabled": True, "min_sentences": 1, "min_line_words": 2},
}
SENTENCES = st.sampled_from(
    """The list of the files is read and that is all.
我们在这里读取文件，它是新的。
Terms of use and more of it.
javascript is on.
Fits in a line...
- a bullet of the list
# 标题
no mark at the end of it
他说：“好的。”
x = {1}
Lorem ipsum dolor.
一二三四五六七八九十。
的


Dieses Paket enthält die Dokumentation für Entwickler.
mail a@b.org to them.""".splitlines()
)
TEXTS = st.lists(SENTENCES, max_size=14).map("\n".join)


def thresholds(language: str, settings: dict[str, Any]) -> Quality:
    return (ChineseQuality if language == "zh" else EnglishQuality).model_validate(settings)


def failures(texts: list[str], language: str, settings: dict[str, Any]) -> list[list[str]]:
    """Every published rule that fails, by the columns."""
    series = pl.Series(texts, dtype=pl.String)
    quality = QualityConfig.model_validate({language: settings})
    frame = pl.concat(
        [measures(series, pl.repeat(language, len(texts), eager=True), quality), page_marks(series)], how="horizontal"
    )
    rules = [
        rule for rule in failing(thresholds(language, settings)) if rule[0].split("_")[0] in ("gopher", "c4", "fineweb")
    ]
    columns = [frame.select(fails.alias("fails"))["fails"].to_list() for _, fails in rules]
    return [
        [reason for (reason, _), failed in zip(rules, row, strict=True) if failed] for row in zip(*columns, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(["en", "zh"]), st.sampled_from([ON, {**ON, **LENIENT}]))
def test_every_rule_decides_as_its_definition(texts: list[str], language: str, settings: dict[str, Any]) -> None:
    quality = thresholds(language, settings)
    expected = [reference.published_failures(text, language, quality) for text in texts]
    assert failures(texts, language, settings) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_rule_decides_as_its_definition_on_real_texts(language: str) -> None:
    texts = reference.real_texts()
    expected = [reference.published_failures(text, language, thresholds(language, ON)) for text in texts]
    assert failures(texts, language, ON) == expected
    assert len(set(itertools.chain.from_iterable(expected))) > 8


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(st.booleans(), min_size=3, max_size=3))
def test_lines_are_left_out_as_the_definition_says(texts: list[str], on: list[bool]) -> None:
    switches = {"terminal_marks": on[0], "drop_javascript_lines": on[1], "drop_policy_lines": on[2]}
    config = CleanConfig.model_validate(
        {"quality": {language: {"c4": {"enabled": True, **switches}} for language in ("en", "zh")}}
    )
    rules = {"en": config.quality.en.c4, "zh": config.quality.zh.c4}
    for language in ("en", "zh"):
        series = pl.Series([text.strip("\n") for text in texts])
        found, counts = c4_lines(series, pl.repeat(language, len(texts), eager=True), rules, config.unicode)
        assert found.to_list() == [reference.c4_lines(text, language, rules[language]) for text in series]
        gone = [len(reference.lines(old)) - len(reference.lines(new)) for old, new in zip(series, found, strict=True)]
        assert counts.sum_horizontal().to_list() == gone


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=5), simplify=st.booleans(), lenient=st.booleans())
def test_cleaning_twice_changes_nothing(documents: Documents, texts: list[str], simplify: bool, lenient: bool) -> None:
    rules = {**ON, **LENIENT, "fineweb": {"enabled": False}} if lenient else ON
    config = CleanConfig.model_validate(
        {"quality": {"en": rules, "zh": rules}, "unicode": {"simplify_chinese": simplify}}
    )
    once = judge(documents(texts), config).filter(pl.col("reason").is_null())
    twice = judge(once.with_columns(format=pl.lit("text")), config)
    assert twice["text"].to_list() == once["text"].to_list()
    assert twice["language"].to_list() == once["language"].to_list()
    assert twice["reason"].null_count() == once.height


def test_a_text_may_lose_lines_and_stay_or_lose_all_and_go(documents: Documents) -> None:
    config = CleanConfig.model_validate({"quality": {"en": {"c4": {"enabled": True, "min_sentences": 2}}}})
    good = "The list of the files is read here. It is a list of them."
    judged = judge(
        documents([f"{good}\nMenu\nAccept the use of cookies on this page.", "Menu of all the pages\nThe list"]), config
    )
    assert judged["text"][0] == good
    assert judged["reason"].to_list() == [None, "c4_no_lines"]
    assert (judged["c4_unpunctuated"][0], judged["c4_policy"][0], judged["c4_unpunctuated"][1]) == (1, 1, 2)


def test_a_text_whose_language_goes_with_its_lines_is_dropped(documents: Documents) -> None:
    config = CleanConfig.model_validate({"quality": {"zh": {"c4": {"enabled": True, "min_sentences": 1}}}})
    text = "这是没有句号的一行中文\n这是没有句号的第二行中文\nThe list of all the files that are read in the folder."
    assert judge(documents([text]), config)["reason"].to_list() == ["mixed_language"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_is_off_decides_nothing(documents: Documents, group: str) -> None:
    texts = [
        "The list of the files { in a folder\nThe list of the files { in a folder\nand of the list",
        "这个文件夹中的文件列表在这里\n#\n我们读取它们",
    ]
    off = CleanConfig.model_validate(
        {"quality": {"en": {group: {"enabled": False}}, "zh": {group: {"enabled": False}}}}
    )
    on = CleanConfig.model_validate({"quality": {"en": {group: {"enabled": True}}, "zh": {group: {"enabled": True}}}})
    assert judge(documents(texts), off)["reason"].null_count() == 2
    assert judge(documents(texts), on)["reason"].null_count() < 2
