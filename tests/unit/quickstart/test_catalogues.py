from __future__ import annotations

import pytest

from deployments.quickstart.catalogues import Message, read_catalogue

from .conftest import CATALOGUE


def test_only_valid_translations_are_read_with_the_first_module_that_uses_them() -> None:
    assert list(read_catalogue(CATALOGUE)) == [
        Message("Are you &sure?", "你确定要继续吗(&S)？", "django/forms.py"),
        Message(
            "%(count)d files were deleted.",
            "已经成功删除了 %(count)d 个文件，这个操作无法撤销。",
            "django/forms.py",
        ),
    ]


def test_texts_over_several_lines_and_escapes_are_joined() -> None:
    text = 'msgctxt "menu"\nmsgid ""\n"a \\"b\\"\\n"\n"c"\nmsgstr ""\n"甲\\t"\n"乙"'
    assert list(read_catalogue(text)) == [Message('a "b"\nc', "甲\t乙", "")]


@pytest.mark.parametrize("text", ['msgid "a"\nmsgwhat "b"', 'msgid "open'])
def test_a_broken_line_is_named_by_its_number(text: str) -> None:
    with pytest.raises(ValueError, match=f"line {text.count(chr(10)) + 1} of the catalogue"):
        list(read_catalogue(text))
