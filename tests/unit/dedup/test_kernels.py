"""Shingles, signatures and similarities against plain Python and datasketch."""

from __future__ import annotations

import random
from itertools import pairwise

import numba
import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import CLEANED
from tasks.arrays.utf8 import compiled
from tasks.dedup import comparing, digests, kernels
from tasks.dedup.signatures import Shingling, Texts, shingle_texts
from tasks.tables.parquet import batches

LETTERS = "abcdeéÀßЖ中文字典語𠀀"
SPACED = [*"abé中🙂 \t\n", *map(chr, (0, 0x1B, 0x1C, 0x1F, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x200B, 0x2028))]
SPACED += map(chr, (0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF))
PERMUTATIONS = {count: kernels.permutations(count, 1) for count in (8, 112)}
RUNS = ["one two", "three\n\nfour  five\t", "中文\u3000字典", "a\u00a0b\u2009c\u0085d"]
TEXTS = st.text(st.sampled_from(LETTERS + " ABC019_'.,。、\n🙂\u3000"), max_size=60)


def shingled(texts: list[str], language: str, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    rows = [dict.fromkeys(CLEANED.names, "") | {"offset": 0, "language": language, "text": text} for text in texts]
    return shingled_table(pa.Table.from_pylist(rows, schema=CLEANED), shingling)


def shingled_table(table: pa.Table, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    shingles, ends = shingle_texts(table, shingling)
    return shingles, ends


def measured(texts: list[str], language: str, permutations: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signatures, digests and counts of texts."""
    found = Texts.of(pa.chunked_array([pa.array(texts, pa.large_string())]))
    signatures = np.empty((len(texts), permutations), dtype=np.uint32)
    by_character = np.full(len(texts), language == "zh")
    where = found.data, found.starts, found.longest
    made, letters = kernels.sign_texts(
        *where, by_character, kernels.folding_table(), 5, 5, *PERMUTATIONS[permutations], signatures
    )
    exact, size, characters = digests.digest_words(*where, digests.spacing_table())
    return signatures, exact, np.stack([made, letters, size, characters], axis=1)


def reference(text: str, language: str, shingling: Shingling) -> set[tuple[str, ...]]:
    folded = [letter.lower() if letter.isalnum() else " " for letter in text]
    if language == "zh":
        tokens, length = [letter for letter in folded if letter != " "], shingling.characters
    else:
        tokens, length = "".join(folded).split(), shingling.words
    return {tuple(tokens[start : start + length]) for start in range(len(tokens) - length + 1)}


def similarity(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(["en", "zh"]), st.integers(1, 6))
def test_similarity_is_that_of_the_sets_of_shingles(left: str, right: str, language: str, length: int) -> None:
    shingling = Shingling(length, length)
    shingles, ends = shingled([left, "x", right], language, shingling)
    sets = [np.unique(shingles[begin:end]) for begin, end in pairwise(ends)]
    truth = [reference(text, language, shingling) for text in (left, "x", right)]
    assert [len(one) for one in sets] == [len(one) for one in truth]
    if truth[0] and truth[2]:
        bounds = np.cumsum([0, *(len(one) for one in sets)])
        exact = similarity(truth[0], truth[2])
        assert comparing.jaccard(np.concatenate(sets), bounds, 0, 2, 0.0) == pytest.approx(exact)
        for threshold in (0.5, 0.8, 1.0):
            found = comparing.jaccard(np.concatenate(sets), bounds, 0, 2, threshold)
            assert found == (pytest.approx(exact) if exact >= threshold else -1.0)


def test_signatures_have_the_values_of_datasketch() -> None:
    source = random.Random(3)
    words = ["".join(source.choices("abcdefgh", k=4)) for _ in range(400)]
    texts = [" ".join(source.choices(words, k=source.randrange(5, 300))) for _ in range(200)]
    shingles, ends = shingled(texts, "en", Shingling(5, 5))
    for seed, count in ((1, 112), (7, 64)):
        signatures = kernels.sign(shingles, ends, *kernels.permutations(count, seed))
        sketches = []
        for row, begin, end in zip(signatures, ends[:-1], ends[1:], strict=True):
            sketch = MinHash(count, seed=seed, scheme="affine32", hashfunc=int)
            sketch.update_batch(shingles[begin:end] >> np.uint64(32))
            assert np.array_equal(sketch.hashvalues, row)
            sketches.append(sketch)
        wrapped = [MinHash(seed=seed, scheme="affine32", hashvalues=row) for row in signatures[:2]]
        assert wrapped[0].jaccard(wrapped[1]) == sketches[0].jaccard(sketches[1])


def test_every_letter_counts_as_itself_in_lower_case() -> None:
    table = kernels.folding_table()
    assert [table[ord(letter)] for letter in "Aa9中É_ 。"] == [ord(letter) for letter in "aa9中é"] + [0, 0, 0]


def test_batches_of_text_do_not_change_the_shingles() -> None:
    texts = [f"one two three four five six {number} seven" * (number % 5) for number in range(50)]
    rows = [dict.fromkeys(CLEANED.names, "") | {"offset": 0, "language": "en", "text": text} for text in texts]
    table = pa.Table.from_pylist(rows, schema=CLEANED).slice(3)
    whole, _ = shingled_table(table, Shingling(5, 5))
    pieces = list(batches(table, "text", 100))
    assert len(pieces) > 10
    assert pa.concat_tables(pieces) == table
    assert np.array_equal(np.concatenate([shingled_table(piece, Shingling(5, 5))[0] for piece in pieces]), whole)


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])

    def one_more(value: int) -> int:
        return value + 1

    assert compiled(one_more)(1) == 2


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(SPACED + RUNS), max_size=30).map("".join), max_size=5))
def test_whitespace_is_that_of_python(texts: list[str]) -> None:
    for text in texts:
        for padded in (text, text + "words of which most are ASCII " * 4, " \n" * 40 + text):
            data = np.frombuffer(b"before" + padded.encode() + b" \x80", dtype=np.uint8)
            squeezed, spaced = np.empty((2, len(data) // 8 + 9), dtype=np.uint64)
            end = len(data) - 2
            table = digests.spacing_table()
            size = digests.squeeze_one(data, 6, end, table, squeezed.view(np.uint8), spaced.view(np.uint8), spaced)
            assert squeezed.tobytes()[:size].decode() == " ".join(padded.split())


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS.flatmap(lambda text: st.sampled_from([text, text * 9, (text + " Αβγ one Two3 ") * 30]))))
def test_what_is_known_of_a_text_does_not_depend_on_the_others(texts: list[str]) -> None:
    for language in ("en", "zh"):
        signatures, exact, counts = measured(texts, language)
        shingles, ends = shingled(texts, language, Shingling(5, 5))
        assert np.array_equal(signatures, kernels.sign(shingles, ends, *PERMUTATIONS[8]))
        for number, text in enumerate(texts):
            squeezed = " ".join(text.split())
            letters = len("".join(letter for letter in text if letter.isalnum()).encode())
            size = len(squeezed.encode())
            made = ends[number + 1] - ends[number]
            distinct = {*shingles[ends[number] : ends[number + 1]].tolist()}
            assert len(distinct) == len(reference(text, language, Shingling(5, 5)))
            assert counts[number].tolist() == [made, letters, size, len(squeezed)]
            alone = measured([text], language)
            assert np.array_equal(alone[0][0], signatures[number])
            halves = [xxhash.xxh64_intdigest(squeezed.encode(), seed) for seed in (0, 1)]
            assert exact[number].tolist() == alone[1][0].tolist() == halves


@given(st.lists(st.binary(max_size=100)), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_digests_are_those_of_xxhash(texts: list[bytes], low: int, high: int) -> None:
    starts = np.cumsum([0, *map(len, texts)])
    seeds = np.array([[low, high]] * len(texts), dtype=np.uint64).reshape(-1, 2)
    data = np.frombuffer(b"".join(texts), dtype=np.uint8)
    found = digests.digest(data, starts, max(map(len, texts), default=0), seeds)
    assert found.tolist() == [[xxhash.xxh64_intdigest(text, seed) for seed in (low, high)] for text in texts]


@settings(deadline=None)
@given(st.lists(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_overlap_is_that_of_sets(hashes: list[int], wanted: set[int]) -> None:
    ascending = np.sort(np.array(hashes, dtype=np.uint64))
    places = comparing.overlap(ascending, np.array(sorted(wanted), dtype=np.uint64))
    assert places.tolist() == [place for place, value in enumerate(ascending.tolist()) if value in wanted]
