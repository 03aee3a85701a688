"""Which licences are allowed: SPDX expressions against a list of identifiers and patterns.

An expression is identifiers joined by AND, OR and WITH, and brackets (SPDX 2.3, annex D; AND binds tighter). What is
none (`GPL-2+ or Artistic, see LICENSE`) is one identifier as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

MAX_TOKENS = 200
"""A licence of more pieces is no expression: the nesting of what a stranger wrote is bounded."""

_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")


def is_allowed(licence: str, patterns: Sequence[str]) -> bool:
    """Whether a licence satisfies the allow-list; an empty one never does."""
    lowered = [pattern.strip().lower() for pattern in patterns]
    text = licence.strip().lower()
    if not text:
        return False
    found = _evaluate(_tokens(text), lowered)
    return _matches(text, lowered) if found is None else found


def _matches(identifier: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(identifier, pattern) for pattern in patterns)


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None or len(found) == MAX_TOKENS:
            return []
        found.append(token[1])
        place = token.end()
    return found


def _evaluate(tokens: list[str], patterns: Sequence[str]) -> bool | None:
    """Returns whether the expression is satisfied, or None if it is no expression."""
    if not tokens:
        return None
    # Alternatives of conjunctions, one pair per open bracket: `any` so far, `all` of the present alternative.
    stack: list[tuple[bool, bool]] = []
    any_, all_ = False, True
    operand = True  # an operand is due
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if operand and token == "(":
            stack.append((any_, all_))
            any_, all_ = False, True
        elif operand and token not in (")", "and", "or", "with"):
            allowed = _matches(token, patterns)
            if tokens[place : place + 1] == ["with"]:
                if place + 1 >= len(tokens) or tokens[place + 1] in ("(", ")", "and", "or", "with"):
                    return None
                allowed = allowed or _matches(f"{token} with {tokens[place + 1]}", patterns)
                place += 2
            all_ = all_ and allowed
            operand = False
        elif not operand and token == "and":
            operand = True
        elif not operand and token == "or":
            any_, all_ = any_ or all_, True
            operand = True
        elif not operand and token == ")" and stack:
            inside = any_ or all_
            any_, all_ = stack.pop()
            all_ = all_ and inside
        else:
            return None
    return None if operand or stack else any_ or all_
