"""What each character is for the published rules: a table that the compiled loops are given."""

from __future__ import annotations

from functools import cache

import numpy as np

from tasks.arrays.utf8 import U8
from tasks.clean.classes import CharacterClass, class_of_code_point
from tasks.clean.kernels import BULLET, CLOSING, IN_WORD, LETTER, SENTENCE_END, SINGLE, SPACE, TERMINAL

TERMINAL_MARKS = '.!?。！？…"”」』'
"""What a line of running text ends with: C4's (Raffel et al. 2020, section 2.2) and their Chinese equals."""

SENTENCE_MARKS = ".!?。！？…"
CLOSING_MARKS = "\"'”’」』）)]】》"
BULLETS = "•-*·●○■□▪▫‣◦◆◇–"


@cache
def properties() -> U8:
    """Returns what each code point is: uint8[0x110000] of the flags of `kernels`."""
    classes = class_of_code_point()
    table = np.zeros(len(classes), dtype=np.uint8)
    letters = (CharacterClass.LATIN, CharacterClass.FOREIGN, CharacterClass.HAN, CharacterClass.KANA)
    table[np.isin(classes, letters)] |= LETTER
    table[np.isin(classes, (*letters, CharacterClass.DIGIT, CharacterClass.MARK))] |= IN_WORD
    table[np.isin(classes, (CharacterClass.HAN, CharacterClass.KANA))] |= SINGLE
    for marks, flag in (
        (" \t\n", SPACE),
        (TERMINAL_MARKS, TERMINAL),
        (SENTENCE_MARKS, SENTENCE_END),
        (BULLETS, BULLET),
        (CLOSING_MARKS, CLOSING),
    ):
        table[[ord(mark) for mark in marks]] |= flag
    return table
