"""Labelled sets from docstrings: body → summary line, and docstring → library.

Docstrings are divided by the name of the function they document: about two in five names go to the labelled sets and
are left out of the corpus, so what is asked after fine-tuning was not read in pretraining. `DataFrame.mean` and
`Series.mean` land on one side, because they say nearly the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from deployments.quickstart.docstrings import Docstring, is_prose, without_signature

LABELLED_PERCENT = 40
"""Leaves the corpus the larger part, and the smallest class (numpy) some 500 examples."""

LONGEST_INPUT = 1_500
"""Characters: more than a small model's context holds, less than makes reading the sets slow."""

SUMMARIES = 7_000
PER_LIBRARY = 700
"""Most examples of one class: 8 classes stay below 6,000, and none is more than twice another."""

MASK = "LIBRARY"
"""Stands for the name of any library: with names left in, a search for `numpy` would be the whole task."""

_NAMES = re.compile(r"numpy|scipy|pandas|polars|py_?torch|torch|sympy|networkx|sqlalchemy", re.IGNORECASE)
_ALIASES = re.compile(r"\b(?:np|pd|pl|nx|sa|sp|plt)(?=\.\w)|(?<=\bas )(?:np|pd|pl|nx|sa|sp)\b")

_SHORTEST_BODY = 200
_SHORTEST_SUMMARY, _LONGEST_SUMMARY = 20, 160
_FEWEST_WORDS = 4
_SUMMARY_START = re.compile(r"[A-Z\"'`][\w`\"']")
_NO_SUMMARY = re.compile(r"[:\\=]$|^\.\. |>>>|::|\(.*\)\s*->|https?://|\{\w*\}|^(Deprecated|Warning|Note|TODO)\b")
_UNDERLINE = re.compile(r"^[=\-~^*#+\"']{3,}\s*$")


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """A row of a labelled set."""

    input: str
    target: str
    language: str

    def row(self) -> dict[str, str]:
        """Returns the row as it is written."""
        return asdict(self)


def is_labelled(function: str, percent: int = LABELLED_PERCENT) -> bool:
    """True when docstrings of functions of this name belong to the labelled sets, not to the corpus."""
    return _digest(function) % 100 < percent


def split_summary(text: str) -> tuple[str, str] | None:
    """Splits a docstring into its one-line summary and its body.

    Returns:
        (summary, body), or None when there is no summary in words, no body of use, or a body that repeats the summary.
    """
    first, _, body = without_signature(text).strip().partition("\n\n")
    lines = first.strip().splitlines()
    body = body.strip("\n").rstrip()
    summary = " ".join(line.strip() for line in lines)
    if not lines or len(lines) > 2 or any(_UNDERLINE.match(line) for line in lines):
        return None
    if not _SHORTEST_SUMMARY <= len(summary) <= _LONGEST_SUMMARY or len(summary.split()) < _FEWEST_WORDS:
        return None
    if not _SUMMARY_START.match(summary) or _NO_SUMMARY.search(summary):
        return None
    if len(body) < _SHORTEST_BODY or not is_prose(body) or summary.rstrip(".").lower() in body.lower():
        return None
    return summary, body


def summarise(docstrings: Iterable[Docstring]) -> list[Example]:
    """Makes examples "body → summary line", at most `SUMMARIES`, sorted."""
    split = (split_summary(item.text) for item in docstrings)
    return _choose((Example(shortened(body), summary, "en") for summary, body in filter(None, split)), SUMMARIES)


def library(docstrings: dict[str, list[Docstring]]) -> list[Example]:
    """Makes examples "docstring → name of its distribution", at most `PER_LIBRARY` of each, sorted."""
    chosen: list[Example] = []
    for name, found in docstrings.items():
        chosen += _choose((Example(masked(shortened(item.text)), name, "en") for item in found), PER_LIBRARY)
    return sorted(unique(chosen))


def masked(text: str) -> str:
    """Replaces the names of libraries and their customary aliases."""
    return _ALIASES.sub(MASK, _NAMES.sub(MASK, text))


def shortened(text: str) -> str:
    """Cuts a text at the last end of a line that keeps it within `LONGEST_INPUT`."""
    if len(text) <= LONGEST_INPUT:
        return text
    head = text[: LONGEST_INPUT + 1]
    return (head.rpartition("\n")[0] or head[:-1]).rstrip()


def within(docstrings: Iterable[Docstring], characters: int) -> list[Docstring]:
    """Chooses docstrings up to a total of characters, by the digest of their text: spread over the whole library."""
    chosen: list[Docstring] = []
    total = 0
    for item in sorted(docstrings, key=lambda item: _digest(item.text)):
        if total + len(item.text) <= characters:
            chosen.append(item)
            total += len(item.text)
    return sorted(chosen)


def distinct(docstrings: Iterable[Docstring]) -> list[Docstring]:
    """Keeps one docstring of each text, the first by path and name, sorted."""
    first: dict[str, Docstring] = {}
    for item in sorted(docstrings):
        first.setdefault(item.text, item)
    return sorted(first.values())


def _choose(examples: Iterable[Example], most: int) -> list[Example]:
    return sorted(sorted(unique(examples), key=lambda example: _digest(example.input))[:most])


def unique(examples: Iterable[Example]) -> list[Example]:
    """Keeps one example of each input, the first in sorted order: an input with two targets has no right answer."""
    first: dict[str, Example] = {}
    for example in sorted(examples):
        first.setdefault(example.input, example)
    return list(first.values())


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
