"""The profile of a corpus, the baseline it is compared with, and how far it has drifted from it.

A profile counts documents by source, language and length; it is a few kilobytes however large the corpus. Drift is the
population stability index, sum of (p - q) · ln(p / q) over bins: by custom below 0.1 is no drift, above 0.25 is much.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasks.arrays.utf8 import I32, I64

PROFILE_FORMAT = 1

STEPS_PER_OCTAVE = 4
"""Bins of length between a number of characters and its double: a quantile is right within 19 %."""

ALL = "*"
"""In place of a source or language: all of them together."""

_BOUNDS = sorted({math.ceil(2 ** (step / STEPS_PER_OCTAVE)) for step in range(31 * STEPS_PER_OCTAVE)})

Lengths = dict[str, int]
"""Documents by the bin of their length; the bin of empty texts is "0"."""

Profile = dict[str, dict[str, Lengths]]
"""Lengths by source and language."""


def bins(lengths: I32) -> I64:
    """Returns the bin of each length: its lower bound in characters, or 0."""
    bounds = np.array([0, *_BOUNDS], dtype=np.int64)
    return bounds[np.searchsorted(bounds, lengths, side="right") - 1]


def merged(profiles: Iterable[Profile]) -> Profile:
    """Adds profiles up."""
    total: Profile = {}
    for profile in profiles:
        for source, languages in profile.items():
            for language, lengths in languages.items():
                kept = total.setdefault(source, {}).setdefault(language, {})
                for name, count in lengths.items():
                    kept[name] = kept.get(name, 0) + count
    return {
        source: {language: dict(sorted(lengths.items())) for language, lengths in sorted(languages.items())}
        for source, languages in sorted(total.items())
    }


def quantile(lengths: Mapping[str, int], share: float) -> int | None:
    """Returns the lower bound of the bin in which a share of the documents is reached; None of no documents."""
    wanted = share * sum(lengths.values())
    reached = 0
    for bound, count in sorted((int(bound), count) for bound, count in lengths.items()):
        reached += count
        if reached >= wanted:
            return bound
    return None


def stability_index(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """Returns the population stability index of two counts; half a document is added to each bin, against ln 0."""
    names = sorted(now.keys() | before.keys())
    if len(names) < 2:
        return 0.0
    sums = [sum(counts.values()) + len(names) / 2 for counts in (now, before)]
    shares = [((now.get(name, 0) + 0.5) / sums[0], (before.get(name, 0) + 0.5) / sums[1]) for name in names]
    return math.fsum((p - q) * math.log(p / q) for p, q in shares)


def drift(now: Profile, before: Profile | None, min_documents: int) -> list[dict[str, Any]]:
    """Returns a row for each source, each language of it, and all together; see `schemas.expectations.COLUMNS`.

    An index is None where one of both has fewer than `min_documents` documents: then it says nothing but chance.
    """
    rows = []
    for source, language in _groups(now, before or {}):
        ours, theirs = _selected(now, source, language), _selected(before or {}, source, language)
        counts = [sum(sum(lengths.values()) for lengths in found.values()) for found in (ours, theirs)]
        enough = before is not None and min(counts) >= max(1, min_documents)
        rows.append(
            {
                "source": source,
                "language": language,
                "documents": counts[0],
                "baseline_documents": counts[1],
                "length_psi": stability_index(_octaves(ours), _octaves(theirs)) if enough else None,
                "language_psi": stability_index(_languages(ours), _languages(theirs))
                if enough and language == ALL
                else None,
            }
        )
    return rows


def next_baseline(
    profile: Profile,
    predecessor: Mapping[str, Any] | None,
    predecessor_profile: Profile | None,
    *,
    date: str,
    renew_after_days: int,
    accept: str,
) -> dict[str, Any]:
    """Returns the baseline of a build: the one its predecessor had, until that is too old or the user asks for another.

    Args:
        profile: What is checked now.
        predecessor: The baseline of the last artifact that was accepted, if there is one.
        predecessor_profile: The profile of that artifact, which is the next baseline.
        date: The nominal date.
        renew_after_days: Age from which the baseline is replaced.
        accept: What the user set; anything new takes what is checked now for the baseline.
    """
    renewed = {"format": PROFILE_FORMAT, "date": date, "accept": accept}
    if predecessor is None or predecessor_profile is None:
        return renewed | {"why": "first", "profile": profile}
    if predecessor["accept"] != accept:
        return renewed | {"why": "accepted", "profile": profile}
    age = datetime.date.fromisoformat(date) - datetime.date.fromisoformat(predecessor["date"])
    if age.days >= renew_after_days:
        return renewed | {"why": "renewed", "profile": predecessor_profile}
    return dict(predecessor)


def _groups(now: Profile, before: Profile) -> list[tuple[str, str]]:
    found = {(ALL, ALL)}
    for profile in (now, before):
        for source, languages in profile.items():
            found |= {(source, ALL)} | {(source, language) for language in languages}
            found |= {(ALL, language) for language in languages}
    return sorted(found, key=lambda group: (group[0] != ALL, group[0], group[1] != ALL, group[1]))


def _selected(profile: Profile, source: str, language: str) -> dict[str, Lengths]:
    """Returns the lengths by language of a source, or of all, in one language or all."""
    found: dict[str, Lengths] = {}
    for name, languages in profile.items():
        if source in (ALL, name):
            for one, lengths in languages.items():
                if language in (ALL, one):
                    kept = found.setdefault(one, {})
                    for bound, count in lengths.items():
                        kept[bound] = kept.get(bound, 0) + count
    return found


def _octaves(lengths: Mapping[str, Lengths]) -> Counter[str]:
    """Counts by powers of two: the fewer the bins, the less a difference owes to chance."""
    found: Counter[str] = Counter()
    for counts in lengths.values():
        for bound, count in counts.items():
            found[str(int(bound).bit_length())] += count
    return found


def _languages(lengths: Mapping[str, Lengths]) -> dict[str, int]:
    return {language: sum(counts.values()) for language, counts in lengths.items()}
