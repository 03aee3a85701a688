"""Cutting stretches out of a text so that what is left reads on: whole sentences and lines go.

A hit begins and ends in the middle of a sentence as a rule; half a sentence is nothing to learn from. So a cut goes on
to the sentence's or line's end, on both sides, if that is near; where it is not (a table, a wall of words) only the
words that were hit go.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

REACH = 200
"""Characters that a cut goes beyond a hit on each side at most: what GPT-3 (Brown et al. 2020, appendix C) cut."""

_SENTENCE_END = re.compile(r"""[.!?]+["'”’)\]]*(?=\s|$)|[。！？；…]+["'”’」』）]*|\n""")
_NO_SPACES = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff65\U00020000-\U0003ffff”’…]")
"""Characters of scripts without spaces between words: nothing is put between two of them."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left of a text.

    Attributes:
        text: The pieces, joined.
        pieces: Of each piece: where it begins in `text`, and where it begins in the original.
    """

    text: str
    pieces: list[Span]

    def original(self, place: int) -> int:
        """Returns where a character of `text` stands in the original."""
        here, there = self.pieces[bisect_right(self.pieces, (place, 1 << 62)) - 1]
        return there + place - here


def widen(text: str, hit: Span) -> Span:
    """Returns what to cut for a hit: to the ends of its first and last sentence, where these are near."""
    begin, end = hit
    before, after = max(0, begin - REACH), min(len(text), end + REACH)
    start = 0 if before == 0 else begin
    # One character more is looked at, since a full stop ends a sentence only if a space follows.
    for match in _SENTENCE_END.finditer(text, before, begin + 1):
        if match.end() <= begin:
            start = match.end()
    following = _SENTENCE_END.search(text, end, min(len(text), after + 1))
    if following and following.end() <= after:
        return start, following.start() if following[0] == "\n" else following.end()
    return start, after if after == len(text) else end


def merge(spans: Sequence[Span]) -> list[Span]:
    """Returns the union of some spans, ascending and apart."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def cut(text: str, spans: Sequence[Span]) -> Remainder:
    """Returns a text without some spans (ascending and apart), its pieces joined as the text around them was."""
    found: list[Span] = []
    joined: list[str] = []
    length = 0
    glue = ""
    place = 0
    for begin, end in [*spans, (len(text), len(text))]:
        piece = text[place:begin]
        lead = len(piece) - len(piece.lstrip())
        lead = piece.rfind("\n", 0, lead) + 1 or lead  # a line keeps its indentation
        bare = piece[lead:].rstrip()
        if bare:
            if joined:
                joined.append(_glue(glue + piece[:lead], joined[-1][-1], bare[0]))
                length += len(joined[-1])
            found.append((length, place + lead))
            joined.append(bare)
            length += len(bare)
            glue = piece[lead + len(bare) :]
        else:
            glue += piece
        glue += text[begin:end]
        place = end
    return Remainder("".join(joined), found or [(0, 0)])


def _glue(gone: str, before: str, after: str) -> str:
    if "\n" in gone:
        return "\n\n" if re.search(r"\n[ \t]*\n", gone) else "\n"
    return "" if _NO_SPACES.match(before) and _NO_SPACES.match(after) else " "
