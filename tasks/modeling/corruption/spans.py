"""Where the noise of a text lies: spans of tokens, with text between any two.

Two published ways: a fixed number of spans that part a fixed number of tokens between them at random (Raffel et al.,
"T5", 2020, section 3.1.4), and spans of Poisson's lengths, some of them empty (Lewis et al., "BART", 2020, section
2.2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.modeling.attention import Ids

Flags = npt.NDArray[np.bool_]


class Noise(NamedTuple):
    """Noise of the rows of a batch.

    Attributes:
        hidden: bool[B, T], tokens inside a span.
        empty: bool[B, T], tokens before which an empty span stands.
    """

    hidden: Flags
    empty: Flags


def divided_spans(text: Flags, fraction: float, mean: float, draws: list[np.random.Generator]) -> Noise:
    """Hides a fixed share of each row's text in spans of a mean length, their number fixed by both.

    Args:
        text: bool[B, T], tokens that may be hidden.
        fraction: Share of them that is.
        mean: Mean length of a span in tokens.
        draws: One generator a row.
    """
    count = text.sum(axis=1)
    hidden = _hidden_count(count, fraction)
    spans = np.minimum(np.maximum(np.rint(hidden / mean).astype(np.int64), hidden > 0), count - hidden)
    uniform = np.stack([draw.random((2, text.shape[1])) for draw in draws])
    return _lay_out(text, hidden, _parts(uniform[:, 0], hidden, spans), _parts(uniform[:, 1], count - hidden, spans))


def poisson_spans(text: Flags, fraction: float, mean: float, draws: list[np.random.Generator]) -> Noise:
    """Hides a share of each row's text in spans whose lengths are Poisson's, empty ones included.

    Args:
        text: bool[B, T], tokens that may be hidden.
        fraction: Share of them that is, where the text between the spans suffices.
        mean: Mean length of a span in tokens.
        draws: One generator a row.
    """
    rows, width = text.shape
    count = text.sum(axis=1)
    wanted = _hidden_count(count, fraction)
    most = max(1, int(np.ceil(2.0 * width * fraction / mean)) + 8)
    lengths = np.stack([draw.poisson(mean, most) for draw in draws])
    ends = np.minimum(np.cumsum(lengths, axis=1), wanted[:, None])
    spans = np.minimum((ends < wanted[:, None]).sum(axis=1) + (wanted > 0), np.minimum(count - wanted, most))
    hidden = np.where(spans > 0, np.take_along_axis(ends, np.maximum(spans - 1, 0)[:, None], axis=1)[:, 0], 0)
    used = np.arange(most) < spans[:, None]
    # The span of a hidden token is the number of spans that end before it.
    ended = np.zeros((rows, width + 1), dtype=np.int64)
    np.add.at(ended, (np.nonzero(used)[0], ends[used]), 1)
    uniform = np.stack([draw.random(width) for draw in draws])
    between = _parts(uniform, count - hidden, spans)
    noise = _lay_out(text, hidden, np.cumsum(ended[:, :-1], axis=1), between)
    is_empty = used & (np.diff(ends, axis=1, prepend=0) == 0)
    return noise._replace(empty=_before_parts(text, noise.hidden, between, count - hidden, is_empty))


def _hidden_count(count: Ids, fraction: float) -> Ids:
    """How many of `count` tokens are hidden: at least one, and not all."""
    least, most = np.minimum(count // 2, 1), np.maximum(count - 1, 0)
    hidden: Ids = np.clip(np.rint(count * fraction).astype(np.int64), least, most)
    return hidden


def _parts(draws: npt.NDArray[np.float64], count: Ids, parts: Ids) -> Ids:
    """Parts the first `count` elements of each row at random into so many parts, none empty: their numbers."""
    inner = np.arange(draws.shape[1]) < count[:, None] - 1
    order = np.argsort(np.argsort(np.where(inner, draws, 2.0), axis=1, kind="stable"), axis=1, kind="stable")
    cuts = inner & (order < parts[:, None] - 1)
    return np.cumsum(cuts, axis=1) - cuts


def _lay_out(text: Flags, hidden: Ids, of_hidden: Ids, of_shown: Ids) -> Noise:
    """Alternates parts of shown and of hidden tokens, shown ones first, over the text of each row."""
    width = text.shape[1]
    places = np.arange(width)
    nothing = 2 * width + 2
    shown = text.sum(axis=1) - hidden
    keys = np.concatenate(
        [
            np.where(places < shown[:, None], 2 * of_shown, nothing),
            np.where(places < hidden[:, None], 2 * of_hidden + 1, nothing),
        ],
        axis=1,
    )
    is_hidden = np.sort(keys, axis=1)[:, :width] % 2 == 1
    rank = np.maximum(np.cumsum(text, axis=1) - 1, 0)
    return Noise(text & np.take_along_axis(is_hidden, rank, axis=1), np.zeros_like(text))


def _before_parts(text: Flags, hidden: Flags, of_shown: Ids, shown: Ids, is_empty: Flags) -> Flags:
    """Marks the first shown token after each empty span; one at a row's very end has none and is left out."""
    is_shown = text & ~hidden
    number = np.maximum(np.cumsum(is_shown, axis=1) - 1, 0)
    inside = np.arange(text.shape[1]) < shown[:, None]
    first = np.diff(of_shown, axis=1, prepend=0) > 0
    after = np.take_along_axis(is_empty, np.clip(of_shown - 1, 0, is_empty.shape[1] - 1), axis=1) & first & inside
    return is_shown & np.take_along_axis(after, number, axis=1)
