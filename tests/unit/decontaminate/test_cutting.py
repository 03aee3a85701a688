"""Where a cut begins and ends, and how what is left is joined."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.decontaminate.cutting import REACH, cut, merge, widen


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("First one. Then HIT here, too. Last one.", "First one. Last one."),
        ("一句话。这里HIT了。又一句。", "一句话。又一句。"),
        ("“一句话。”他说：“这里HIT了。”又一句。", "“一句话。”又一句。"),
        ("- one\n- a HIT\n- three", "- one\n- three"),
        ("One.\n\nA HIT.\n\nThree.", "One.\n\nThree."),
        ("def one():\n    HIT()\n    return 2", "def one():\n    return 2"),
        ("See example.HIT.org, it says. Good.", "Good."),
        ("HIT", ""),
        ("Version 3.HIT is out. Good.", "Good."),
        ("中文 HIT", ""),
    ],
)
def test_sentences_and_lines_go_whole(text: str, left: str) -> None:
    begin = text.index("HIT")
    assert cut(text, [widen(text, (begin, begin + 3))]).text == left


def test_where_no_sentence_ends_near_only_the_words_go() -> None:
    wall = "word " * REACH
    text = f"{wall}HIT {wall}"
    begin = text.index("HIT")
    assert widen(text, (begin, begin + 3)) == (begin, begin + 3)
    assert cut(text, [(begin, begin + 3)]).text.split() == (wall + wall).split()


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda one: (one[0], one[0] + one[1])))


@given(SPANS)
def test_merged_spans_cover_what_the_spans_cover(spans: list[tuple[int, int]]) -> None:
    merged = merge(spans)
    assert {place for one in merged for place in range(*one)} == {place for one in spans for place in range(*one)}
    assert all(left[1] < right[0] for left, right in pairwise(merged))


@given(st.text("ab. \n中。", max_size=40), SPANS)
def test_every_character_left_stands_where_it_is_said_to_have_stood(text: str, spans: list[tuple[int, int]]) -> None:
    gone = merge([(min(begin, len(text)), min(end, len(text))) for begin, end in spans])
    left = cut(text, gone)
    removed = {place for one in gone for place in range(*one)}
    assert [one for one in left.text if not one.isspace()] == [
        one for place, one in enumerate(text) if place not in removed and not one.isspace()
    ]
    for place, character in enumerate(left.text):
        if not character.isspace():
            assert text[left.original(place)] == character
