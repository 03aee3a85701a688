"""The compiled pass agrees with a plain reference, text by text, and the comparison with sets of shingles."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.tables import SHARDED
from tasks.validate import kernel
from tasks.validate.measures import Shingling, numbered, shingle_sets
from tasks.validate.measures import _scanned as scanned

SHINGLING = Shingling(3, 4)

characters = st.one_of(
    st.sampled_from("ab Zé7 \n\t.,@-12İßǅ中文。\u3000\ufffd\U00020000\U0001d400\x85\xa0\x1c"),
    st.characters(exclude_categories=("Cs",)),
)
texts = st.text(characters, max_size=60)


def tokens(text: str, language: str) -> list[str]:
    """Planes 2 and 3 count as ideographs throughout, assigned yet or not."""
    found = []
    for letter in text:
        lowered = letter.lower() if len(letter.lower()) == 1 else letter
        ideograph = 0x20000 <= ord(letter) < 0x40000
        found.append(lowered if ideograph or (letter.isalnum() and ord(letter) < 0x20000) else " ")
    return [letter for letter in found if letter != " "] if language == "zh" else "".join(found).split(" ")


def shingles(text: str, language: str) -> set[tuple[str, ...]]:
    found = [token for token in tokens(text, language) if token]
    size = SHINGLING.characters if language == "zh" else SHINGLING.words
    if len(found) < size:
        return {(re.sub(r"[\t-\r ]+", " ", text).strip(" "),)} if stripped(text) else set()
    return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)}


def stripped(text: str) -> str:
    """Without the outer characters that Unicode calls White_Space."""
    space = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
    return re.sub(f"^{space}|{space}$", "", text)


def table(rows: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "text": pa.array([text for text, _ in rows], pa.large_string()),
            "language": [language for _, language in rows],
        },
        schema=pa.schema([SHARDED.field("text"), SHARDED.field("language")]),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(texts, st.sampled_from(["en", "zh"])), min_size=1, max_size=6))
@example([("a b c", "en"), ("A  b\nC.", "en"), ("", "en"), (" \n", "zh"), ("一二三四五", "zh"), ("一二三四", "zh")])
def test_shingles_and_measures_are_those_of_a_plain_reference(rows: list[tuple[str, str]]) -> None:
    sets = shingle_sets(table(rows), SHINGLING)
    expected = [shingles(text, language) for text, language in rows]
    assert [len(found) for found in sets] == [len(found) for found in expected]
    for left, (mine, theirs) in enumerate(zip(expected, sets, strict=True)):
        for right in range(left):
            if rows[left][1] == rows[right][1]:
                shared = len(np.intersect1d(theirs, sets[right]))
                assert shared == len(mine & expected[right]), (rows[left], rows[right])
    sketches = np.zeros((len(rows), kernel.SKETCH), dtype=np.uint32)
    _, lengths, replaced, _ = scanned(table(rows), SHINGLING, sketches, np.zeros(0, np.uint64))
    assert lengths.tolist() == [len(stripped(text)) for text, _ in rows]
    assert replaced.tolist() == [text.count("\ufffd") for text, _ in rows]
    for sketch, found in zip(sketches, sets, strict=True):
        upper = np.unique((found >> np.uint64(32)).astype(np.uint32))[: kernel.SKETCH]
        assert sketch[: len(upper)].tolist() == upper.tolist()
        assert (sketch[len(upper) :] == kernel.EMPTY).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_sketch_of_few_shingles_tells_the_similarity_exactly(shared: int, left: int, right: int) -> None:
    drawn = np.random.default_rng(shared * 7 + left).permutation(1 << 20)[: shared + left + right].astype(np.uint32)
    sets = [np.sort(np.r_[drawn[:shared], drawn[shared : shared + left]])]
    sets.append(np.sort(np.r_[drawn[:shared], drawn[shared + left :]]))
    sketches = np.full((2, kernel.SKETCH), kernel.EMPTY)
    for sketch, found in zip(sketches, sets, strict=True):
        sketch[: min(len(found), kernel.SKETCH)] = found[: kernel.SKETCH]
    union = shared + left + right
    estimate = kernel.resemblance(sketches[0], sketches[1])
    if union <= kernel.SKETCH:
        assert estimate == pytest.approx(shared / union if union else 0.0)
    else:
        least = np.unique(np.concatenate(sets))[: kernel.SKETCH]
        assert estimate == pytest.approx((np.isin(least, sets[0]) & np.isin(least, sets[1])).sum() / kernel.SKETCH)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("write to me@there.org", kernel.AT_SIGN),
        ("tel. 138-1234-5678", kernel.LONG_NUMBER),
        ("in 2024, 12 of 3000", 0),
        ("1234567890", 0),
        ("1234 5678 901", kernel.LONG_NUMBER),
        ("12345  678901", 0),
        ("GB82 WEST 1234 5698 7654 32", kernel.ACCOUNT | kernel.LONG_NUMBER),
        ("SHA256 and x86", 0),
        ("at 8.8.8.8", kernel.ADDRESS),
        ("version 1.2.3", 0),
        ("1.2..3.4", 0),
    ],
)
def test_texts_are_marked_for_what_they_may_hold(text: str, mark: int) -> None:
    found = scanned(table([(text, "en")]), SHINGLING, np.zeros((1, kernel.SKETCH), np.uint32), np.zeros(0, np.uint64))
    assert found[3].tolist() == [mark]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("123456789abcdef", min_size=32, max_size=32), st.text(max_size=40))))
def test_identities_are_numbers_that_differ_when_they_do(names: list[str | None]) -> None:
    found = [tuple(row) for row in numbered(pa.chunked_array([names], pa.string())).tolist()]
    for name, number in zip(names, found, strict=True):
        if name is None:
            assert number == (0, 0)
        elif re.fullmatch("[0-9a-f]{32}", name):
            assert number == (int(name[:16], 16), int(name[16:], 16))
    assert len(set(found)) == len(set(names))
