"""Denoising for encoder–decoders: a text with spans missing is read, and what is missing, or all of it, is written.

Span corruption (T5) puts a sentinel in the place of each span and asks for every span after its sentinel; infilling
(BART) puts one `<mask>` in the place of each and asks for the whole text. Documents of a row stay apart: spans end
where documents do, sentinels are counted anew in each, and every document's target begins with the decoder's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from schemas.tokens import BOS, EOS, FIRST_SENTINEL, IGNORED_LABEL, MASK, PAD, RESERVED, SENTINELS, UNK
from tasks.modeling.attention import Ids
from tasks.modeling.corruption.drawing import generators
from tasks.modeling.corruption.spans import Flags, divided_spans, poisson_spans

Slots = Sequence[tuple[Ids, Flags]]
"""What each token of a text leaves, in this order: values and where they are written."""


@dataclass(frozen=True, slots=True)
class Denoising:
    """How text is corrupted.

    Attributes:
        kind: `span_corruption` or `infilling`.
        decoder_start: Id that the decoder's input begins with.
        seed: Of all draws.
        fraction: Share of a row's text that is hidden.
        mean_span: Mean length of a span in tokens.
    """

    kind: Literal["span_corruption", "infilling"]
    decoder_start: int
    seed: int
    fraction: float
    mean_span: float = 3.0

    def pairs(self, ids: Ids, segments: Ids, position: int) -> dict[str, Ids]:
        """Makes sources and targets of the samples at positions from `position` on.

        Args:
            ids: int64[B, T].
            segments: int64[B, T], the document of each token.
            position: Of the first row.

        Returns:
            `input_ids` and `segments` int64[B, S], S ≤ T; `decoder_input_ids`, `decoder_segments` and `labels`
            int64[B, U], filled up on the right.
        """
        text = (ids >= RESERVED) | (ids == UNK)
        draws = generators(self.seed, position, len(ids))
        find = divided_spans if self.kind == "span_corruption" else poisson_spans
        hidden, empty = find(text, self.fraction, self.mean_span, draws)
        kept = (ids != PAD) & (ids != BOS)
        if self.kind == "span_corruption":
            marks, hidden, place = _sentinels(hidden, segments)
            sentinels = FIRST_SENTINEL + place
            ends = _last_of_each(segments) & (place >= 0)
            source: Slots = ((sentinels, marks), (ids, kept & ~hidden))
            target: Slots = ((sentinels, marks), (ids, hidden), (np.full_like(ids, EOS), ends))
        else:
            spans = _starts(hidden, segments)
            room = (hidden.sum(axis=1) - spans.sum(axis=1))[:, None]  # a source is never longer than its text
            marks = spans | (empty & (np.cumsum(empty, axis=1) <= room))
            source = ((np.full_like(ids, MASK), marks), (ids, kept & ~hidden))
            target = ((ids, kept),)
        input_ids, seen = _compact(source, segments)
        labels, decoder_segments = _compact(target, segments)
        before = np.full_like(labels, self.decoder_start)
        same = decoder_segments[:, 1:] == decoder_segments[:, :-1]
        before[:, 1:] = np.where(same, labels[:, :-1], self.decoder_start)
        filled = decoder_segments >= 0
        return {
            "input_ids": input_ids,
            "segments": seen,
            "decoder_input_ids": np.where(filled, before, PAD),
            # Filling sees a document that there is: attention to nothing at all is no number.
            "decoder_segments": np.where(filled, decoder_segments, seen.max(axis=1, keepdims=True)),
            "labels": np.where(filled, labels, IGNORED_LABEL),
        }


def _starts(hidden: Flags, segments: Ids) -> Flags:
    """Marks the first token of each span, of which none crosses documents."""
    starts = hidden.copy()
    starts[:, 1:] &= ~hidden[:, :-1] | (segments[:, 1:] != segments[:, :-1])
    return starts


def _sentinels(hidden: Flags, segments: Ids) -> tuple[Flags, Flags, Ids]:
    """Numbers the spans of each document from 0; those beyond the last sentinel are not hidden after all.

    Returns:
        Where spans start, what is hidden, and at each token the number of its document's last span so far (-1: none).
    """
    starts = _starts(hidden, segments)
    count = np.cumsum(starts, axis=1)
    first = np.ones_like(starts)
    first[:, 1:] = segments[:, 1:] != segments[:, :-1]
    before = np.maximum.accumulate(np.where(first, count - starts, 0), axis=1)
    number: Ids = np.subtract(count - before, 1)
    fits = number < SENTINELS
    return starts & fits, hidden & fits, number


def _last_of_each(segments: Ids) -> Flags:
    last = np.ones(segments.shape, dtype=bool)
    last[:, :-1] = segments[:, 1:] != segments[:, :-1]
    return last


def _compact(slots: Slots, segments: Ids) -> tuple[Ids, Ids]:
    """Writes, token by token, the values of the slots that are kept; rows are filled up with padding of segment -1."""
    values = np.stack([value for value, _ in slots], axis=-1).reshape(len(segments), -1)
    keep = np.stack([flag for _, flag in slots], axis=-1).reshape(len(segments), -1)
    owners = np.repeat(segments, len(slots), axis=1)
    width = max(1, int(keep.sum(axis=1).max()))
    rows, columns = np.nonzero(keep)
    places = (np.cumsum(keep, axis=1) - 1)[rows, columns]
    found = np.full((len(segments), width), PAD, dtype=np.int64)
    owned = np.full((len(segments), width), -1, dtype=np.int64)
    found[rows, places] = values[rows, columns]
    owned[rows, places] = owners[rows, columns]
    return found, owned
