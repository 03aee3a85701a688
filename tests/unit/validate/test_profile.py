"""Profiles, the index of drift, and when the baseline is another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.validate.profile import Profile, bins, drift, merged, next_baseline, quantile, stability_index

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000), max_size=6)


def lengths(values: list[int]) -> dict[str, int]:
    names, found = np.unique(bins(np.array(values, dtype=np.int32)), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, found, strict=True)}


@given(counts, counts)
def test_the_index_is_symmetric_never_negative_and_zero_for_equal_shares(now: Any, before: Any) -> None:
    index = stability_index(now, before)
    assert index >= 0 and index == pytest.approx(stability_index(before, now))
    assert stability_index(now, now) == 0


def test_the_index_is_that_of_its_definition() -> None:
    now, before = {"en": 70, "zh": 30}, {"en": 50, "zh": 50}
    shares = [(70.5 / 101, 0.5), (30.5 / 101, 0.5)]
    assert stability_index(now, before) == pytest.approx(sum((p - q) * math.log(p / q) for p, q in shares))


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1), st.floats(0.01, 1))
def test_quantiles_are_right_within_a_bin(values: list[int], share: float) -> None:
    found = quantile(lengths(values), share)
    true = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    assert found is not None and found <= true and true <= max(found * 2**0.25 + 1, 0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["en", "zh"]), st.integers(1, 9)), max_size=12))
def test_profiles_add_up_whatever_the_order(rows: list[tuple[str, str, int]]) -> None:
    pieces: list[Profile] = [{source: {language: {str(size): 1}}} for source, language, size in rows]
    assert merged(pieces) == merged(reversed(pieces)) == merged([merged(pieces[:5]), merged(pieces[5:])])


def test_drift_has_a_row_for_each_source_and_language_and_for_all() -> None:
    before = {"a": {"en": {"64": 500}}, "gone": {"en": {"64": 500}}}
    now = {"a": {"en": {"64": 100, "4096": 400}, "zh": {"64": 500}}}
    rows = {(row["source"], row["language"]): row for row in drift(now, before, 100)}
    assert set(rows) == {
        ("*", "*"),
        ("*", "en"),
        ("*", "zh"),
        ("a", "*"),
        ("a", "en"),
        ("a", "zh"),
        ("gone", "*"),
        ("gone", "en"),
    }
    assert rows["a", "en"]["length_psi"] > 1 and rows["a", "en"]["language_psi"] is None
    assert rows["a", "*"]["language_psi"] > 1
    assert rows["a", "zh"]["length_psi"] is None, "there was nothing before"
    assert rows["gone", "en"]["length_psi"] is None and rows["gone", "en"]["baseline_documents"] == 500
    assert all(row["length_psi"] is None for row in drift(now, before, 10_000))
    assert all(row["length_psi"] is None for row in drift(now, None, 1))


def test_the_baseline_stays_until_it_is_old_or_another_is_asked_for() -> None:
    def step(before: Any, profile: Any, last: Any, date: str, accept: str = "") -> Any:
        return next_baseline(profile, before, last, date=date, renew_after_days=30, accept=accept)

    nights: list[Profile] = [{"a": {"en": {"64": night + 1}}} for night in range(4)]
    first = step(None, nights[0], None, "2026-01-01")
    assert first["profile"] == nights[0] and first["why"] == "first"
    second = step(first, nights[1], nights[0], "2026-01-30")
    assert second == first
    third = step(second, nights[2], nights[1], "2026-01-31")
    assert third["profile"] == nights[1] and third["why"] == "renewed" and third["date"] == "2026-01-31"
    fourth = step(third, nights[3], nights[2], "2026-02-01", "yes")
    assert fourth["profile"] == nights[3] and fourth["why"] == "accepted"
    assert step(fourth, nights[0], nights[3], "2026-02-02", "yes") == fourth
