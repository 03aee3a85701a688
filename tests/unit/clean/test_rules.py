"""Each rule drops what it is for, and leaves real writing alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from schemas.config.clean import CleanConfig
from schemas.config.quality import C4, ChineseQuality, EnglishQuality, FineWeb, GopherQuality, GopherRepetition
from tasks.clean.part import judge
from tasks.clean.rules import RULES

Documents = Callable[..., pl.DataFrame]

SENTENCE = "This function returns the list of files in the folder. "


def reason(documents: Documents, text: str, **settings: Any) -> str | None:
    return judge(documents([text]), CleanConfig.model_validate(settings))["reason"][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n\t\u200b\ufeff ", "empty"),
        ("1234 5678 ---", "no_letters"),
        ("Dieses Paket enthält die Dokumentation für Entwickler und Anwender.", "other_language"),
        ("The end.", "too_short"),
        ("Internationalization and localization", "too_few_words"),
        ("目录", "too_short"),
        ("电话：010-12345678", "too_few_han"),
        (SENTENCE + "\ufffd" * 20, "damaged"),
        ("The table of all: " + "1 2.5 37 41, " * 30, "few_letters"),
        ("The sum of it is " + "x=(a+b)*{c}; " * 40, "symbols"),
        ("The file is here: " + "A" * 200, "repeated_characters"),
        ("The data of the image: " + ("abcdefghijklmnop" * 9 + " ") * 8, "word_length"),
        ("Click on the button to go on.\n" * 4, "duplicate_lines"),
        ("点击这里继续阅读全文内容。\n" * 4, "duplicate_lines"),
        ("red green blue yellow pink " * 40, "no_function_words"),
        ("红黄蓝绿青紫黑白灰" * 40, "no_function_words"),
    ],
)
def test_what_is_no_text_is_dropped_for_its_reason(documents: Documents, text: str, expected: str) -> None:
    assert reason(documents, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Return the number of items in the container.",
        "simple stress testing and burn-in tool (documentation)",
        "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
        "# 周渭\n\n周渭，字得臣，昭州恭城人。今錄詩三首。",
        "获取股票历史行情数据",
        "Title of the page\n==================================\n\nA short text under a long line.",
        "Fit the model.\n\nParameters\n----------\nX : {array-like} of shape (n_samples, n_features)\ny : None\n",
        "Copyright (c) 2024, The Authors\nAll rights reserved.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\".",
        "你好\n你好！有什么可以帮你的吗？",
        "软件包字体" * 20 + "".join(f"\n * Noto Sans {first}{second}" for first in "ABCDEFGH" for second in "abcdefgh"),
    ],
)  # fmt: skip
def test_short_and_unusual_writing_stays(documents: Documents, text: str) -> None:
    assert reason(documents, text) is None


def test_a_text_has_one_reason_the_first_that_applies(documents: Documents) -> None:
    assert reason(documents, "The \ufffd\ufffd") == "too_short"


def test_thresholds_are_per_language(documents: Documents) -> None:
    english, chinese = "The list of the files in a folder.", "这个文件夹中的文件列表在这里。"
    strict = {"quality": {"en": {"min_characters": 1000}}}
    assert reason(documents, english, **strict) == "too_short"
    assert reason(documents, chinese, **strict) is None


def test_a_long_text_is_dropped_by_its_length(documents: Documents) -> None:
    assert reason(documents, SENTENCE * 3, quality={"en": {"max_characters": 100}}) == "too_long"


def test_null_turns_a_rule_off(documents: Documents) -> None:
    text = "Click on the button to go on.\n" * 4
    assert reason(documents, text, quality={"en": {"max_duplicate_line_share": None}}) is None


def test_every_threshold_has_its_rule() -> None:
    own = (set(EnglishQuality.model_fields) | set(ChineseQuality.model_fields)) - GROUPS.keys()
    published = {f"{group}.{name}" for group, model in GROUPS.items() for name in model.model_fields}
    assert {rule.threshold for rule in RULES} == own | published - NO_THRESHOLDS


GROUPS = {"gopher_quality": GopherQuality, "gopher_repetition": GopherRepetition, "c4": C4, "fineweb": FineWeb}
NO_THRESHOLDS = {
    *(f"{group}.enabled" for group in GROUPS),
    # Lines, n-grams and what others of these compare with:
    "c4.terminal_marks",
    "c4.min_line_words",
    "c4.drop_javascript_lines",
    "c4.drop_policy_lines",
    "fineweb.short_line_characters",
    "gopher_quality.stop_words",
    "gopher_repetition.max_top_ngram_share",
    "gopher_repetition.max_duplicate_ngram_share",
}
