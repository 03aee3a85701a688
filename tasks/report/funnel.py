"""From files to tokens: how many documents each stage of the data left, and why the others went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.manifest import Manifest
from tasks.report.bounds import Bounds, cut
from tasks.report.figures import counts_by_source, number


@dataclass(frozen=True, slots=True)
class Level:
    """A bar of the funnel.

    Attributes:
        name: What the documents are after the stage.
        node: The stage.
        count: How many there are.
        share: Of the largest level in the same unit.
        lost: How many the stage took away, None for the first.
        unit: documents, files or tokens.
    """

    name: str
    node: str
    count: float
    share: float
    lost: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why documents were left out, over all sources and by each.

    Attributes:
        stage: Where.
        reason: Its name.
        count: Documents or lines.
        share: Of the most frequent reason.
        sources: The sources they came from with their counts, most first.
    """

    stage: str
    reason: str
    count: int
    share: float
    sources: list[tuple[str, int]]


_DOCUMENT_LEVELS = (
    ("collected", "collect"),
    ("cleaned", "clean"),
    ("deduplicated", "dedup"),
    ("sharded", "shard"),
    ("decontaminated", "decontaminate"),
    ("validated", "validate"),
    ("packed", "pack"),
)


def levels(manifests: Mapping[str, Manifest]) -> list[Level]:
    """Returns the levels whose manifests are there, files first and tokens last."""
    found: list[Level] = []
    files = _figure(manifests, "snapshot", "rows_out")
    if files is not None:
        found.append(Level("files seen", "snapshot", files, 1.0, None, "files"))
    counts = [
        (name, node, count)
        for name, node in _DOCUMENT_LEVELS
        if (count := _figure(manifests, node, "rows_out")) is not None
    ]
    most = max((count for _, _, count in counts), default=0.0)
    before: float | None = None
    for name, node, count in counts:
        lost = None if before is None else before - count
        found.append(Level(name, node, count, count / most if most else 0.0, lost, "documents"))
        before = count
    tokens = _figure(manifests, "pack", "tokens")
    if tokens is not None:
        found.append(Level("tokens", "pack", tokens, 1.0, None, "tokens"))
    return found


def reasons(manifests: Mapping[str, Manifest], bounds: Bounds) -> list[Reason]:
    """Returns why documents and lines were left out, stage by stage, most frequent first."""
    found: list[tuple[str, str, int, list[tuple[str, int]]]] = []
    for stage, metric in (("collect", "quarantined"), ("clean", "dropped")):
        by_source = counts_by_source(manifests[stage].metrics.get(metric)) if stage in manifests else {}
        totals: Counter[str] = Counter()
        for kept in by_source.values():
            totals.update(kept)
        for reason, count in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[: bounds.lines]:
            found.append((stage, cut(reason, bounds.text), count, _by_source(by_source, reason, bounds)))
    if "dedup" in manifests:
        by_source = counts_by_source(manifests["dedup"].metrics.get("sources"))
        for kind in ("exact", "near"):
            gone = number(manifests["dedup"].metrics.get(kind))
            if gone:
                found.append(("dedup", f"{kind} duplicate", int(gone), _by_source(by_source, kind, bounds)))
    if "decontaminate" in manifests:
        by_source = _dropped_by_language(manifests["decontaminate"].metrics.get("sources"))
        total = sum(kept["dropped"] for kept in by_source.values())
        if total:
            name = "stands in an evaluation set"
            found.append(("decontaminate", name, total, _by_source(by_source, "dropped", bounds)))
    most = max((count for _, _, count, _ in found), default=0)
    return [Reason(stage, reason, count, count / most, sources) for stage, reason, count, sources in found if most]


def _by_source(counts: Mapping[str, Mapping[str, int]], reason: str, bounds: Bounds) -> list[tuple[str, int]]:
    """Returns the sources that documents were left out of for a reason, with their counts, most first."""
    sources = [(cut(source, bounds.text), kept[reason]) for source, kept in counts.items() if kept.get(reason)]
    return sorted(sources, key=lambda item: (-item[1], item[0]))[: bounds.lines]


def _dropped_by_language(value: object) -> dict[str, dict[str, int]]:
    """Returns {source: {"dropped": count}} of a metric {source: {language: {"dropped": count}}}."""
    found: dict[str, dict[str, int]] = {}
    for source, languages in value.items() if isinstance(value, Mapping) else ():
        counts = counts_by_source(languages).values()
        found[str(source)] = {"dropped": sum(kept.get("dropped", 0) for kept in counts)}
    return found


def _figure(manifests: Mapping[str, Manifest], node: str, name: str) -> float | None:
    return number(manifests[node].metrics.get(name)) if node in manifests else None
