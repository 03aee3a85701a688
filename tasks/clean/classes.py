"""What each character is: one table from code points to classes."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt


class CharacterClass(IntEnum):
    """What a character is, for counting."""

    SYMBOL = 0
    SPACE = 1
    LATIN = 2
    HAN = 3
    KANA = 4
    FOREIGN = 5
    DIGIT = 6
    MARK = 7


LETTERS = (CharacterClass.LATIN, CharacterClass.HAN, CharacterClass.KANA, CharacterClass.FOREIGN)

_HAN = ((0x3005, 0x3007), (0x3021, 0x3029), (0x3105, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_HAN_SUPPLEMENT = (0x20000, 0x323AF)
_KANA = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D))
_LATIN = ((0x41, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA722, 0xA7FF), (0xFB00, 0xFB06), (0xFF21, 0xFF5A))


@cache
def class_of_code_point() -> npt.NDArray[np.uint8]:
    """Returns the class of each code point: uint8[0x110000]."""
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in range(_HAN_SUPPLEMENT[0]):
        category = unicodedata.category(chr(code))
        if category[0] == "L":
            table[code] = CharacterClass.FOREIGN
        elif category[0] == "N":
            table[code] = CharacterClass.DIGIT
        elif category[0] == "M":
            table[code] = CharacterClass.MARK
        elif category[0] == "Z" or code in (0x09, 0x0A):
            table[code] = CharacterClass.SPACE
    letters = table == CharacterClass.FOREIGN
    for ranges, kind in ((_LATIN, CharacterClass.LATIN), (_KANA, CharacterClass.KANA)):
        for first, last in ranges:
            table[first : last + 1][letters[first : last + 1]] = kind
    for first, last in (*_HAN, _HAN_SUPPLEMENT):
        table[first : last + 1] = CharacterClass.HAN
    return table
