"""Cutting texts round by round, until nothing that is wanted is left of them.

Where two pieces meet there are n-grams that stood nowhere before, and may stand in an evaluation set: so what is left
of a text is looked at again, until a round finds nothing or the text is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tasks.arrays.utf8 import I64
from tasks.decontaminate import hashing, ordered
from tasks.decontaminate.cutting import Remainder, Span, cut, merge, widen
from tasks.decontaminate.grams import Grams, Length, find_grams
from tasks.decontaminate.outcome import FOUND, HIT_DOCUMENTS, PAIR, WINDOW, Outcome, Windows

LEAST_LEFT = 0.5
"""A document that keeps a smaller share of its tokens once the sentences hit are cut is a torso: it is dropped."""


@dataclass
class Hit:
    """A document that holds something wanted, and what is left of it.

    Attributes:
        text: As it was.
        tokens: How many it had.
        hit_tokens: How many were hit, also in what was left after a first cut.
        spans: What is cut from `text`.
        left: What is left.
        left_tokens: Its tokens.
    """

    text: str
    tokens: int
    hit_tokens: int = 0
    spans: list[Span] = field(default_factory=list)
    left: Remainder = field(init=False)
    left_tokens: int = 0

    def __post_init__(self) -> None:
        self.left = Remainder(self.text, [(0, 0)])

    @property
    def share(self) -> float:
        return min(1.0, self.hit_tokens / self.tokens)

    def goes(self, max_share: float) -> bool:
        """Tells whether the document is dropped rather than cut."""
        return self.share > max_share or self.left_tokens < max(1, LEAST_LEFT * self.tokens)

    def cut(self, runs: Sequence[Span]) -> None:
        """Cuts some stretches of what is left."""
        original = self.left.original
        found = [widen(self.text, (original(begin), original(end - 1) + 1)) for begin, end in runs]
        self.spans = merge([*self.spans, *found])
        self.left = cut(self.text, self.spans)


def cut_all(
    texts: pa.ChunkedArray,
    places_in: Callable[[Grams], I64],
    length: Length,
    max_share: float,
    digests_of: Callable[[pa.ChunkedArray], list[bytes]],
) -> Outcome:
    """Cuts texts until nothing wanted is left, or too much of them was.

    Args:
        texts: The texts.
        places_in: Finds what is wanted among n-grams.
        length: Of n-grams.
        max_share: A text hit in a larger share of its tokens is dropped.
        digests_of: Of the texts that were hit.

    Returns:
        What became of the texts that were hit; their numbers among the texts are its rows.
    """
    whole = find_grams(texts, length, whole=False)
    places = places_in(whole)
    numbers = np.unique(whole.texts_of(places))
    chosen = texts.take(pa.array(numbers))
    hits = [Hit(*one) for one in zip(chosen.to_pylist(), np.diff(whole.before)[numbers].tolist(), strict=True)]
    found = whole
    owners = np.searchsorted(numbers, found.texts_of(places))
    windows, made = [np.zeros(0, dtype=WINDOW)], [np.zeros(0, dtype=PAIR)]
    while len(places):
        order = np.argsort(found.firsts[places], kind="stable")
        places, owners = places[order], owners[order]
        begins, ends = found.characters(places)
        if found is not whole:
            begins, ends = _original(hits, owners, begins, ends)
        windows.append(np.empty(len(places), dtype=WINDOW))
        for name, values in zip(WINDOW.names or (), (owners, found.values[places], begins, ends), strict=True):
            windows[-1][name] = values
        _cut_once(hits, found, places, owners, max_share)
        active = np.array([one for one in np.unique(owners).tolist() if hits[one].share <= max_share], dtype=np.int64)
        left = pa.array([hits[one].left.text for one in active.tolist()], pa.large_string())
        found = find_grams(left, length, whole=False)
        for one, count in zip(active.tolist(), np.diff(found.before).tolist(), strict=True):
            hits[one].left_tokens = count
        new = hashing.made(found.values, found.ahead, numbers[active], whole.values, whole.ahead)
        made.append(np.empty(len(new), dtype=PAIR))
        made[-1]["document"], made[-1]["gram"] = active[found.texts_of(new)], found.values[new]
        places = places_in(found)
        owners = active[found.texts_of(places)]
    return Outcome(
        _documents(numbers, hits, max_share, digests_of(chosen)),
        _ordered(np.concatenate(windows), ["gram", "end", "begin", "document"]),
        np.unique(np.concatenate(made)),
    )


def _cut_once(hits: Sequence[Hit], found: Grams, places: I64, owners: I64, max_share: float) -> None:
    """Cuts n-grams, ordered by their first tokens, from the hits that own them, unless one of these is to go anyway."""
    firsts = found.firsts[places]
    chosen, finishes = ordered.union(owners, firsts, firsts + found.sizes[places])
    owners, firsts = owners[chosen], firsts[chosen]
    for number, count in enumerate(np.bincount(owners, finishes - firsts, minlength=len(hits)).astype(int).tolist()):
        hits[number].hit_tokens += count
    bounds = np.searchsorted(owners, np.arange(len(hits) + 1)).tolist()
    runs = list(zip(found.begins[firsts].tolist(), found.ends[finishes - 1].tolist(), strict=True))
    for number, hit in enumerate(hits):
        if bounds[number] < bounds[number + 1] and hit.share <= max_share:
            hit.cut(runs[bounds[number] : bounds[number + 1]])


def _original(hits: Sequence[Hit], owners: I64, begins: I64, ends: I64) -> tuple[I64, I64]:
    """Returns where stretches of what is left stood in the texts as they were."""
    originals = [hits[owner].left.original for owner in owners.tolist()]
    first = [original(begin) for original, begin in zip(originals, begins.tolist(), strict=True)]
    last = [original(end - 1) + 1 for original, end in zip(originals, ends.tolist(), strict=True)]
    return np.array(first, dtype=np.int64), np.array(last, dtype=np.int64)


def _documents(numbers: I64, hits: Sequence[Hit], max_share: float, digests: Sequence[bytes]) -> pa.Table:
    goes = [hit.goes(max_share) for hit in hits]
    columns = {
        "row": numbers.astype(np.uint32),
        "share": [hit.share for hit in hits],
        "action": ["dropped" if gone else "cut" for gone in goes],
        "text": [None if gone else hit.left.text for hit, gone in zip(hits, goes, strict=True)],
        "digest": digests,
    }
    return pa.table(columns, schema=pa.schema([HIT_DOCUMENTS.field("row"), *FOUND]))


def _ordered(windows: Windows, keys: Sequence[str]) -> Windows:
    """Returns windows in order of the last key, those of which it is equal in order of the one before, and so on."""
    return windows[np.lexsort([windows[name] for name in keys])]
