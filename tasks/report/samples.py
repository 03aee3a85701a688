"""What was left out and replaced: samples of rejects by reason, personal data by kind, hits of evaluation sets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.manifest import Manifest
from tasks.report.bounds import Bounds, cut
from tasks.report.figures import Figures, counts_by_source, number

REJECTS = "reject_samples.json"

PER_REASON = 6
"""Samples of one reason: enough to see whether a rule does what it should."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The beginning of a document that was left out."""

    source: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of personal data that was replaced, in all sources and in each, most first."""

    name: str
    count: int
    sources: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation set: its examples, how many of them stood in training documents, and in how many of those."""

    name: str
    examples: float | None
    hit: float | None
    documents: float | None


def rejects(manifests: Mapping[str, Manifest], figures: Figures, bounds: Bounds) -> list[tuple[str, list[Reject]]]:
    """Returns samples by reason, those of each source in turn."""
    clean = manifests.get("clean")
    rows = None if clean is None else figures.diagnostic(clean, REJECTS)
    by_reason: defaultdict[str, defaultdict[str, list[Reject]]] = defaultdict(lambda: defaultdict(list))
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            reason, source = str(row.get("reason", "")), str(row.get("source", ""))
            text = cut(str(row.get("sample", "")), bounds.text)
            by_reason[reason][source].append(Reject(cut(source, bounds.text), cut(str(row.get("id", "")), 64), text))
    return [
        (cut(reason, bounds.text), _in_turn(sources)[: min(PER_REASON, bounds.lines)])
        for reason, sources in sorted(by_reason.items())[: bounds.lines]
    ]


def personal(manifests: Mapping[str, Manifest], bounds: Bounds) -> list[Kind]:
    """Returns what cleaning replaced, most frequent first."""
    by_source = counts_by_source(manifests["clean"].metrics.get("personal")) if "clean" in manifests else {}
    totals: Counter[str] = Counter()
    for kinds in by_source.values():
        totals.update(kinds)
    found = []
    for kind, count in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[: bounds.lines]:
        sources = [(cut(source, bounds.text), kinds[kind]) for source, kinds in by_source.items() if kinds.get(kind)]
        sources.sort(key=lambda item: (-item[1], item[0]))
        found.append(Kind(cut(kind, bounds.text), count, sources[: bounds.lines]))
    return found


def evaluations(manifests: Mapping[str, Manifest], bounds: Bounds) -> list[Evaluation]:
    """Returns what decontamination found, set by set."""
    value: Any = manifests["decontaminate"].metrics.get("evaluations") if "decontaminate" in manifests else None
    found = []
    for name, counts in sorted(value.items())[: bounds.rows] if isinstance(value, Mapping) else ():
        if isinstance(counts, Mapping):
            examples, hit, documents = (number(counts.get(key)) for key in ("examples", "hit", "documents"))
            found.append(Evaluation(cut(str(name), bounds.text), examples, hit, documents))
    return found


def _in_turn(sources: Mapping[str, list[Reject]]) -> list[Reject]:
    """Returns the first of each source, then the second of each, and so on."""
    longest = max(len(found) for found in sources.values())
    return [found[turn] for turn in range(longest) for _, found in sorted(sources.items()) if turn < len(found)]
