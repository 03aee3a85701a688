"""Units in which texts of both languages are compared and cut: a Han character, or a word of any other script.

The stock rouge-score tokenizer keeps `a-z0-9` only, which drops every Chinese character; on ASCII text the units here
are exactly its tokens, so English figures stay comparable with published ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_UNIT = re.compile(f"[{_HAN}]|(?:(?![{_HAN}])[^\\W_])+")
_HAN_CHARACTER = re.compile(f"[{_HAN}]")

CHINESE_SHARE = 0.1
"""Share of Han characters among a group's units above which it is segmented as Chinese: translations of program
messages keep many Latin names, and English texts hold next to no Han."""


def units(text: str) -> list[str]:
    """Returns the Han characters and lower-cased words of a text, in order."""
    return _UNIT.findall(text.lower())


def lead(text: str, count: int) -> str:
    """Returns the text up to the end of its `count`-th unit."""
    for position, match in enumerate(_UNIT.finditer(text), start=1):
        if position == count:
            return text[: match.end()]
    return text


def is_chinese(texts: Sequence[str]) -> bool:
    """Says whether the texts, taken together, are Chinese."""
    total = han = 0
    for text in texts:
        total += sum(1 for _ in _UNIT.finditer(text))
        han += sum(1 for _ in _HAN_CHARACTER.finditer(text))
    return total > 0 and han / total > CHINESE_SHARE


class UnitTokenizer:
    """The tokenizer that rouge-score is given."""

    def tokenize(self, text: str) -> list[str]:
        """Returns the units of a text."""
        return units(text)
