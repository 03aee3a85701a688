"""What all parts together hold, and whether so much of it is bad that the run must stop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.config.collect import CollectConfig
from schemas.errors import BadInputError

MAX_SHOWN = 20


@dataclass
class Summary:
    """Counts by source."""

    documents: Counter[str] = field(default_factory=Counter)
    quarantined: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    samples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def metrics(self) -> dict[str, Any]:
        """Returns what is reported."""
        return {
            "rows_out": self.documents.total(),
            "documents": dict(sorted(self.documents.items())),
            "quarantined": {source: dict(sorted(found.items())) for source, found in sorted(self.quarantined.items())},
            "skipped": {source: dict(sorted(found.items())) for source, found in sorted(self.skipped.items())},
        }

    def warnings(self) -> list[str]:
        """Returns a line for each source that has bad input."""
        return [
            f"{source}: {found.total()} of {self.records(source)} records quarantined ("
            + ", ".join(f"{reason} {count}" for reason, count in sorted(found.items()))
            + ")"
            for source, found in sorted(self.quarantined.items())
        ]

    def records(self, source: str) -> int:
        """Returns how many records a source holds, good and bad; a broken file counts as one."""
        return self.documents[source] + self.quarantined[source].total()


def summarise(figures: Iterable[Mapping[str, Any]]) -> Summary:
    """Adds up the figures of all parts."""
    summary = Summary()
    for part in figures:
        summary.documents.update(part["documents"])
        for source, reasons in part["quarantined"].items():
            summary.quarantined[source].update(reasons)
        for source, reasons in part["skipped"].items():
            summary.skipped[source].update(reasons)
        for source, samples in part["samples"].items():
            summary.samples[source].extend(samples)
    return summary


def check(summary: Summary, config: CollectConfig) -> None:
    """Stops a run whose input is too bad.

    Raises:
        BadInputError: A source has more bad records than its `max_bad_fraction` allows, or there is no document at all.
    """
    details: list[str] = []
    hints: list[str] = []
    for source in sorted(summary.quarantined):
        found, records = summary.quarantined[source], summary.records(source)
        limit = config.sources[source].max_bad_fraction
        if found.total() <= limit * records:
            continue
        details.append(
            f"{source}: {found.total()} of {records} records ({found.total() / records:.1%}, {limit:.1%} allowed)"
        )
        samples = sorted(summary.samples[source])[:MAX_SHOWN]
        details += samples
        if found.total() > len(samples):
            details.append(f"and {found.total() - len(samples)} more in {source}")
        if found["no_licence"]:
            hints.append(
                f"set `licence` of the source {source!r}, or `licence: unknown` to take its documents as they are"
            )
        if found.total() > found["no_licence"]:
            hints.append(f"repair the files, or raise `max_bad_fraction` of the source {source!r}")
    if details:
        raise BadInputError("too much of the input cannot be used", details=details, hint="; ".join(hints))
    if not summary.documents.total():
        raise BadInputError("the sources hold no document", hint="check `path`, `glob` and `format` of the sources")
