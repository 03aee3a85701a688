"""What is hidden of a text: a function of seed and position that loses nothing and keeps documents apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tokens import BOS, EOS, FIRST_SENTINEL, IGNORED_LABEL, MASK, PAD, RESERVED, SENTINELS
from tasks.modeling.attention import Ids, places_of, segments_of
from tasks.modeling.corruption.denoising import Denoising
from tasks.modeling.corruption.masking import Masking

VOCABULARY = RESERVED + 400
START = EOS


@st.composite
def rows(draw: st.DrawFn) -> tuple[Ids, Ids]:
    """Rows of documents cut out of a stream, the last row perhaps filled up: ids and segments, int64[B, T]."""
    width = draw(st.integers(1, 40))
    count = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(2, 30), min_size=1, max_size=8))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    documents = [[BOS, *random.integers(RESERVED, VOCABULARY, length - 2).tolist(), EOS] for length in lengths]
    stream = [token for document in documents for token in document]
    places = [place for document in documents for place in range(len(document))]
    stream, places = stream[: width * count], places[: width * count]
    missing = width * count - len(stream)
    ids = np.array(stream + [PAD] * missing).reshape(count, width)
    positions = np.array(places + list(range(missing))).reshape(count, width)
    return ids, segments_of(positions)


def texts(ids: Ids, segments: Ids, row: int) -> dict[int, list[int]]:
    """The text of each document in a row, its end included."""
    found: dict[int, list[int]] = {}
    for token, segment in zip(ids[row].tolist(), segments[row].tolist(), strict=True):
        if token not in (BOS, PAD):
            found.setdefault(segment, []).append(token)
    return found


def written(made: dict[str, Ids], row: int) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Source and target of each document in a row."""
    source: dict[int, list[int]] = {}
    target: dict[int, list[int]] = {}
    for token, segment in zip(made["input_ids"][row].tolist(), made["segments"][row].tolist(), strict=True):
        if segment >= 0:
            source.setdefault(segment, []).append(token)
    for token, segment in zip(made["labels"][row].tolist(), made["decoder_segments"][row].tolist(), strict=True):
        if token != IGNORED_LABEL:
            target.setdefault(segment, []).append(token)
    return source, target


@settings(max_examples=150, deadline=None)
@given(batch=rows(), seed=st.integers(0, 99), fraction=st.sampled_from([0.05, 0.15, 0.5, 0.9]))
def test_filling_the_spans_in_gives_back_every_document(batch: tuple[Ids, Ids], seed: int, fraction: float) -> None:
    ids, segments = batch
    made = Denoising("span_corruption", START, seed, fraction).pairs(ids, segments, 3)
    assert made["input_ids"].shape[1] <= ids.shape[1]
    for row in range(len(ids)):
        source, target = written(made, row)
        for segment, text in texts(ids, segments, row).items():
            spans: dict[int, list[int]] = {}
            wanted = target.get(segment, [EOS])
            assert wanted[-1] == EOS
            for token in wanted[:-1]:
                if FIRST_SENTINEL <= token < FIRST_SENTINEL + SENTINELS:
                    spans[token] = []
                else:
                    spans[max(spans)].append(token)
            assert list(spans) == list(range(FIRST_SENTINEL, FIRST_SENTINEL + len(spans)))
            assert all(spans.values())
            filled = [part for token in source[segment] for part in spans.get(token, [token])]
            assert filled == text


@settings(max_examples=150, deadline=None)
@given(batch=rows(), seed=st.integers(0, 99), fraction=st.sampled_from([0.05, 0.3, 0.6]))
def test_infilling_asks_for_every_document_whole_and_hides_parts_of_it(
    batch: tuple[Ids, Ids], seed: int, fraction: float
) -> None:
    ids, segments = batch
    made = Denoising("infilling", START, seed, fraction).pairs(ids, segments, 3)
    assert made["input_ids"].shape[1] <= ids.shape[1]
    for row in range(len(ids)):
        source, target = written(made, row)
        wanted = texts(ids, segments, row)
        assert target == wanted
        for segment, text in wanted.items():
            remaining = iter(text)
            assert all(token in remaining for token in source[segment] if token != MASK)  # in order
            if len(source[segment]) < len(text):
                assert MASK in source[segment]


@settings(max_examples=100, deadline=None)
@given(batch=rows(), seed=st.integers(0, 99), kind=st.sampled_from(["span_corruption", "infilling"]))
def test_a_decoder_reads_its_targets_one_later_and_each_document_from_its_start(
    batch: tuple[Ids, Ids], seed: int, kind: Any
) -> None:
    made = Denoising(kind, START, seed, 0.3).pairs(*batch, 0)
    for row in range(len(batch[0])):
        counted = made["labels"][row] != IGNORED_LABEL
        owners = made["decoder_segments"][row]
        assert set(owners) <= set(made["segments"][row])  # attention to nothing at all would be no number
        for segment in set(owners[counted]):
            at = counted & (owners == segment)
            assert made["decoder_input_ids"][row][at].tolist() == [START, *made["labels"][row][at].tolist()[:-1]]
        assert not counted[counted.sum() :].any()


@settings(max_examples=100, deadline=None)
@given(batch=rows(), seed=st.integers(0, 99), fraction=st.sampled_from([0.15, 0.5]), whole=st.booleans())
def test_masking_touches_the_chosen_tokens_only_and_about_the_share_asked_for(
    batch: tuple[Ids, Ids], seed: int, fraction: float, whole: bool
) -> None:
    ids, _ = batch
    continues = np.arange(VOCABULARY) % 3 == 0 if whole else None
    seen, labels = Masking(VOCABULARY, seed, fraction, continues_word=continues).hide(ids, 5)
    chosen = labels != IGNORED_LABEL
    assert np.array_equal(labels[chosen], ids[chosen])
    assert np.array_equal(seen[~chosen], ids[~chosen])
    assert (ids[chosen] >= RESERVED).all()
    text = (ids >= RESERVED).sum(axis=1)
    wanted = np.maximum(np.rint(text * fraction), text > 0)
    assert (chosen.sum(axis=1) >= wanted).all()
    if not whole:
        assert (chosen.sum(axis=1) == wanted).all()
    else:
        assert continues is not None
        joined = continues[ids[:, 1:]] & (ids[:, :-1] >= RESERVED) & (ids[:, 1:] >= RESERVED)
        assert (chosen[:, 1:] == chosen[:, :-1])[joined].all()


def test_masks_replacements_and_kept_tokens_come_in_their_shares() -> None:
    ids = np.random.default_rng(0).integers(RESERVED, VOCABULARY, (64, 512))
    seen, labels = Masking(VOCABULARY, 1).hide(ids, 0)
    chosen = labels != IGNORED_LABEL
    assert chosen.mean() == pytest.approx(0.15, abs=0.002)
    assert (seen[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.02)
    assert (seen[chosen] == ids[chosen]).mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(("kind", "fraction"), [("span_corruption", 0.15), ("infilling", 0.3)])
def test_spans_hide_the_share_and_have_the_length_asked_for(kind: Any, fraction: float) -> None:
    ids = np.random.default_rng(0).integers(RESERVED, VOCABULARY, (64, 512))
    made = Denoising(kind, START, 1, fraction).pairs(ids, np.zeros_like(ids), 0)
    marks = made["input_ids"] == MASK if kind == "infilling" else made["input_ids"] < RESERVED
    marks &= made["segments"] >= 0
    hidden = 512 - ((made["segments"] >= 0) & ~marks).sum(axis=1)
    assert hidden.mean() / 512 == pytest.approx(fraction, abs=0.01)
    assert hidden.sum() / marks.sum() == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("kind", ["masked", "span_corruption", "infilling"])
def test_what_is_hidden_follows_from_seed_and_position_alone(kind: Any) -> None:
    ids = np.random.default_rng(0).integers(RESERVED, VOCABULARY, (6, 64))
    segments = np.zeros_like(ids)

    def sample(seed: int, position: int, rows: Ids) -> list[list[int]]:
        if kind == "masked":
            return Masking(VOCABULARY, seed).hide(rows, position)[0].tolist()  # type: ignore[no-any-return]
        made = Denoising(kind, START, seed, 0.3).pairs(rows, segments[: len(rows)], position)
        return [
            [token for token, owner in zip(*pair, strict=True) if owner >= 0]
            for pair in zip(made["input_ids"].tolist(), made["segments"].tolist(), strict=True)
        ]

    together = sample(1, 40, ids)
    assert together == [sample(1, 40 + row, ids[row : row + 1])[0] for row in range(6)]
    assert together != sample(2, 40, ids) and together != sample(1, 46, ids)


def test_a_document_with_more_spans_than_sentinels_keeps_the_rest() -> None:
    ids = np.random.default_rng(0).integers(RESERVED, VOCABULARY, (1, 1000))
    made = Denoising("span_corruption", START, 0, 0.45, mean_span=1.0).pairs(ids, np.zeros_like(ids), 0)
    marks = made["input_ids"][made["input_ids"] < RESERVED]
    assert marks.tolist() == list(range(FIRST_SENTINEL, FIRST_SENTINEL + SENTINELS))


@settings(max_examples=50, deadline=None)
@given(batch=rows())
def test_places_count_from_where_a_document_begins_in_its_row(batch: tuple[Ids, Ids]) -> None:
    _, segments = batch
    places = places_of(segments)
    for row in range(len(segments)):
        for segment in set(segments[row]):
            at = segments[row] == segment
            assert places[row][at].tolist() == list(range(at.sum()))
