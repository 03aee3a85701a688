"""Characters that get a piece: decided in each language for itself, and the text is cut at all others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_stages import SMALL, chinese_texts, english_texts

from schemas.config.tokenizer import CharacterCoverage
from tasks.tokenizer.build import train_on
from tasks.tokenizer.characters import count_characters, training_lines, uncovered_characters, utf8_bytes
from tasks.tokenizer.train import ALWAYS_COVERED
from tasks.tokens.encoding import MODEL_FILE, encode_text, load_processor

letters = st.text(st.sampled_from("aabbbc\n de的一\u2585\0😀"), max_size=60)
texts = st.lists(letters, max_size=6)
coverages = st.floats(0.3, 1)


@settings(deadline=None)
@given(texts)
def test_every_character_is_counted(found: list[str]) -> None:
    counts = count_characters(found)
    expected = Counter("".join(found))
    assert {chr(code): int(counts[code]) for code in counts.nonzero()[0]} == expected


@settings(deadline=None)  # tables of all code points
@given(texts, texts, coverages, coverages)
def test_each_language_is_covered_to_its_own_share_and_with_no_character_more(
    english: list[str], chinese: list[str], en: float, zh: float
) -> None:
    counts = {"en": count_characters(english), "zh": count_characters(chinese)}
    uncovered = uncovered_characters(counts, {"en": en, "zh": zh})
    for language, found, share in (("en", english, en), ("zh", chinese, zh)):
        alone = uncovered_characters({language: counts[language]}, {language: share})
        counted = Counter("".join(found).replace("\n", ""))
        covered = {character: n for character, n in counted.items() if character not in alone}
        refused = sum(n for character, n in counted.items() if character in "\0\u2585")
        assert sum(covered.values()) >= share * counted.total() - refused
        if covered:
            assert sum(covered.values()) - min(covered.values()) < share * counted.total()
        assert not covered.keys() & uncovered
    assert "\n" not in uncovered


@settings(deadline=None)
@given(texts, st.integers(4, 20))
def test_training_lines_hold_every_character_that_is_covered(found: list[str], limit: int) -> None:
    uncovered = uncovered_characters({"en": count_characters(found)}, {"en": 0.8})
    lines = [line.decode() for line in training_lines(found, uncovered, limit)]
    wanted = "".join(character for character in "".join(found) if character != "\n" and character not in uncovered)
    assert sorted("".join(lines)) == sorted(wanted)  # texts of plain ASCII come by themselves
    assert all(line and len(line.encode()) <= limit for line in lines)


def test_a_line_is_cut_only_where_it_must_be() -> None:
    assert list(training_lines(["ab中c\nde中", "f"], {"中"}, 100)) == [b"ab", b"c", b"de", b"f"]
    assert list(training_lines(["中文字" * 2], set(), 7)) == ["中文".encode(), "字中".encode(), "文字".encode()]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_covered_character_is_a_piece_and_no_other_is(tmp_path: Path, kind: str) -> None:
    sample = {"en": english_texts(200), "zh": chinese_texts(200)}
    coverage = CharacterCoverage(en=0.999, zh=0.99)
    config = SMALL.model_copy(update={"kind": kind, "vocab_size": 800, "character_coverage": coverage})
    (tmp_path / MODEL_FILE).write_bytes(train_on(sample, config).model)
    processor = load_processor(tmp_path)
    counts = {language: count_characters(found) for language, found in sample.items()}
    uncovered = uncovered_characters(counts, coverage.model_dump())
    rare = {character for found in sample.values() for text in found for character in text} & uncovered
    rare -= set(ALWAYS_COVERED)
    assert len(rare) > 50
    for found in sample.values():
        for character in {character for text in found for character in text}:
            spelt = [processor.is_byte(place) for place in encode_text(processor, character)]
            assert spelt == ([True] * len(character.encode()) if character in rare else [False]), repr(character)


@settings(deadline=None)
@given(letters)
def test_bytes_follow_from_the_counts(text: str) -> None:
    assert utf8_bytes(count_characters([text])) == len(text.encode())


def test_more_english_takes_no_chinese_character_away() -> None:
    chinese = count_characters(chinese_texts(100))
    few, many = (count_characters(english_texts(number)) for number in (10, 400))
    shares = {"en": 0.99, "zh": 0.99}
    with_few, with_many = (uncovered_characters({"en": english, "zh": chinese}, shares) for english in (few, many))
    han = {chr(code) for code in chinese.nonzero()[0] if code >= 0x4E00}
    assert with_few & han == with_many & han
