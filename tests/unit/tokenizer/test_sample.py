"""Which text the tokenizer learns from."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tasks.tokenizer.sample import MAX_DOCUMENT_BYTES, Reservoir, beginning, budgets, repeats

documents = st.dictionaries(
    st.text("0123456789abcdef", min_size=1, max_size=6), st.text("ab中", max_size=30), max_size=25
)


def kept(offered: list[tuple[str, str]], budget: int, seed: int = 1) -> list[str]:
    reservoir = Reservoir(budget, seed)
    for identifier, text in offered:
        reservoir.offer(identifier, text)
    texts = reservoir.texts()
    assert reservoir.bytes == sum(len(text.encode()) for text in texts) <= budget
    return texts


@given(documents, st.integers(1, 300), st.randoms(use_true_random=False))
def test_the_sample_does_not_depend_on_the_order_of_documents(
    texts: dict[str, str], budget: int, shuffler: random.Random
) -> None:
    offered = list(texts.items())
    first = kept(offered, budget)
    shuffler.shuffle(offered)
    assert kept(offered, budget) == first


@given(documents, st.integers(1, 300), st.integers(1, 300))
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(texts: dict[str, str], one: int, other: int) -> None:
    small, large = (kept(list(texts.items()), budget) for budget in sorted((one, other)))
    assert large[: len(small)] == small


def test_the_seed_decides_who_is_in_the_sample() -> None:
    offered = [(str(number), f"text {number:03}") for number in range(100)]
    assert kept(offered, 80, seed=1) != kept(offered, 80, seed=2)
    assert len(kept(offered, 80)) == 10


def test_a_huge_document_is_cut_and_does_not_empty_the_sample() -> None:
    texts = kept([("huge", "中" * MAX_DOCUMENT_BYTES), ("small", "abc")], 2 * MAX_DOCUMENT_BYTES)
    assert sorted(map(len, texts)) == [3, MAX_DOCUMENT_BYTES // 3]


@given(st.text(max_size=40), st.integers(4, 50))
def test_beginnings_are_whole_characters_within_the_limit(text: str, limit: int) -> None:
    found, size = beginning(text, limit)
    assert text.startswith(found)
    assert size == len(found.encode()) <= limit
    if found != text:
        assert len(text[: len(found) + 1].encode()) > limit


def test_budgets_follow_the_weights() -> None:
    assert budgets(100, {"zh": 3.0, "en": 1.0}) == {"en": 25, "zh": 75}
    assert budgets(100, {"en": 1.0, "zh": 0.0}) == {"en": 100}


def test_a_language_short_of_text_is_repeated_towards_its_weight_up_to_four_times() -> None:
    even = {"en": 1.0, "zh": 1.0}
    assert repeats({"en": 300, "zh": 100}, even) == {"en": 1, "zh": 3}
    assert repeats({"en": 9000, "zh": 100}, even) == {"en": 1, "zh": 4}
    assert repeats({"en": 300, "zh": 100}, {"en": 3.0, "zh": 1.0}) == {"en": 1, "zh": 1}
    assert repeats({"en": 300, "zh": 0}, even) == {"en": 1, "zh": 1}
