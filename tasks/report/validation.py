"""What validation found: every expectation, how far the corpus drifted, and where Great Expectations' pages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.manifest import Manifest
from tasks.report.bounds import Bounds, cut
from tasks.report.figures import Figures, number

PAGES = "data_docs_"

EVERY = "*"
"""In place of a source or language in the table of drift: all of them."""

WORDS = {"first": "these data were the first", "accepted": "taken as they were, as asked", "renewed": ""}


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation.

    Attributes:
        name: Its name in the configuration.
        state: `met`, `warning` or `critical`.
        about: Table and column.
        observed: What was found, in words.
    """

    name: str
    state: str
    about: str
    observed: str


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a source and language drifted: population stability indices, None where nothing was compared."""

    source: str
    language: str
    documents: float | None
    before: float | None
    length: float | None
    languages: float | None


@dataclass(frozen=True, slots=True)
class Validation:
    """What validation found.

    Attributes:
        checks: Expectations, unmet ones first.
        met: How many are met.
        baseline: The date of the baseline, and why it is that.
        drift: Rows, the greatest index first.
        limits: Greatest index of lengths and of languages that is no drift.
        pages: (name, address) of Great Expectations' pages, relative to the report.
        folder: Where they lie in the store.
    """

    checks: list[Check]
    met: int
    baseline: str
    drift: list[Drift]
    limits: tuple[float | None, float | None]
    pages: list[tuple[str, str]]
    folder: str


def validation(manifests: Mapping[str, Manifest], figures: Figures, bounds: Bounds) -> Validation | None:
    """Returns what a run's validation found, None if it did not come so far."""
    manifest = manifests.get("validate")
    if manifest is None:
        return None
    verdicts = figures.diagnostic(manifest, "expectations.json")
    verdicts = [one for one in verdicts if isinstance(one, Mapping)] if isinstance(verdicts, list) else []
    compared = figures.diagnostic(manifest, "drift.json")
    compared = compared if isinstance(compared, Mapping) else {}
    checks = [_check(one, bounds) for one in verdicts]
    rows = compared.get("rows")
    drift = [_drift(row, bounds) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    drift.sort(key=lambda row: (-max(row.length or 0.0, row.languages or 0.0), row.source, row.language))
    folder = f"artifacts/{manifest.node}/{manifest.version}/diagnostics"
    pages = [
        (file.name.removeprefix(PAGES).removesuffix(".html"), f"../{folder}/{file.name}")
        for file in manifest.diagnostics
        if file.name.startswith(PAGES)
    ]
    if not (checks or drift or pages or compared):
        return None
    return Validation(
        checks=sorted(checks, key=lambda check: (check.state == "met", check.name))[: bounds.rows],
        met=sum(check.state == "met" for check in checks),
        baseline=_baseline(compared, bounds),
        drift=[row for row in drift if row.length is not None or row.languages is not None][: bounds.lines],
        limits=(_limit(verdicts, "length_psi"), _limit(verdicts, "language_psi")),
        pages=pages[: bounds.lines],
        folder=folder,
    )


def _check(verdict: Mapping[str, Any], bounds: Bounds) -> Check:
    state = "met" if verdict.get("met") else "warning" if verdict.get("severity") == "warning" else "critical"
    about = f"{verdict.get('table')}.{verdict.get('column')}"
    name, observed = str(verdict.get("name")), str(verdict.get("observed"))
    return Check(cut(name, bounds.text), state, cut(about, bounds.text), cut(observed, bounds.text))


def _drift(row: Mapping[str, Any], bounds: Bounds) -> Drift:
    names = [str(row.get(name, "")) for name in ("source", "language")]
    source, language = ("all" if name == EVERY else cut(name, bounds.text) for name in names)
    figures = (number(row.get(name)) for name in ("documents", "baseline_documents", "length_psi", "language_psi"))
    return Drift(source, language, *figures)


def _baseline(compared: Mapping[str, Any], bounds: Bounds) -> str:
    date, why = str(compared.get("date") or ""), str(compared.get("why") or "")
    if not date:
        return ""
    words = WORDS.get(why, why)
    return cut(f"{date} ({words})" if words else date, bounds.text)


def _limit(verdicts: list[Mapping[str, Any]], column: str) -> float | None:
    """Returns the limit of an index that the configuration states: the least, if there are several."""
    limits = [
        limit
        for one in verdicts
        if one.get("table") == "drift" and one.get("column") == column and isinstance(one.get("arguments"), Mapping)
        if (limit := number(one["arguments"].get("max_value"))) is not None
    ]
    return min(limits, default=None)
