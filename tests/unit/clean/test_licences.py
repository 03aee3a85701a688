"""Licences are allowed by identifier, pattern and expression."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clean.licences import MAX_TOKENS, is_allowed

ALLOWED = ("MIT", "Apache-2.0", "CC-BY-*", "GPL-2.0-only with Classpath-exception-2.0")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        (" mit ", True),
        ("GPL-3.0-only", False),
        ("CC-BY-4.0", True),
        ("CC-BY-NC-4.0", True),
        ("CC0-1.0", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only or MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0-only OR Apache-2.0", True),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("(MIT OR GPL-3.0-only) AND BSD-3-Clause", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT License, see LICENSE", False),
        ("MIT OR", False),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT MIT", False),
        ("WITH MIT", False),
        ("MIT WITH", False),
        ("", False),
        ("  ", False),
    ],
)
def test_expressions_are_satisfied_by_the_allowed(licence: str, expected: bool) -> None:
    assert is_allowed(licence, ALLOWED) is expected


def test_what_is_no_expression_is_matched_as_a_whole() -> None:
    assert is_allowed("Custom licence, see file", ["custom licence*"])
    assert not is_allowed("(" * (MAX_TOKENS + 1) + "MIT" + ")" * (MAX_TOKENS + 1), ["MIT"])


Meaning = tuple[str, bool]


def joined(pair: tuple[Meaning, str, Meaning]) -> Meaning:
    (left, left_holds), operator, (right, right_holds) = pair
    holds = left_holds and right_holds if operator == "AND" else left_holds or right_holds
    return f"({left} {operator} {right})", holds


EXPRESSIONS = st.recursive(
    st.sampled_from([("MIT", True), ("GPL-3.0-only", False)]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(joined),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(EXPRESSIONS)
def test_expressions_mean_what_they_mean_in_logic(expression: Meaning) -> None:
    assert is_allowed(expression[0], ["MIT"]) is expression[1]
