"""Reads what the report shows of an artifact, and says what could not be read instead of failing.

The report is rendered after failed runs too, and of artifacts that may be damaged: a missing file, a broken line or an
unknown form of a metric must never cost the rest of the page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.errors import NightmillError
from schemas.manifest import FileRecord, Manifest
from schemas.scores import Sample, Score

Read = Callable[[FileRecord], bytes]
"""Returns a stored file's bytes; raises a `NightmillError` or `OSError` when they are gone."""

MAX_FILE_BYTES = 32 << 20
"""Larger logs and score files are not read: the page has no room for what they say."""


class Figures:
    """Reads files of artifacts and remembers what was unreadable.

    Attributes:
        missing: One sentence for each file that could not be read.
    """

    def __init__(self, read: Read) -> None:
        self.missing: list[str] = []
        self._read = read

    def scores(self, manifest: Manifest) -> list[Score]:
        """Returns the scores of an `evaluate` artifact; none where they cannot be read."""
        output = manifest.outputs.get("scores")
        found: list[Score] = []
        for file in output.files if output else []:
            rows = self._json(manifest, file)
            try:
                found += [Score.model_validate(row) for row in rows or []]
            except (ValidationError, TypeError):
                self._miss(manifest, file, "its scores have an unknown form")
        return found

    def samples(self, manifest: Manifest) -> list[Sample]:
        """Returns the sample generations of an `evaluate` artifact."""
        found: list[Sample] = []
        for row in self._lines(manifest, "samples.jsonl"):
            try:
                found.append(Sample.model_validate(row))
            except ValidationError:
                continue
        return found

    def steps(self, manifest: Manifest) -> list[dict[str, Any]]:
        """Returns the logged steps of a training, in order."""
        return [
            row
            for row in self._lines(manifest, "steps.jsonl")
            if isinstance(row, dict) and number(row.get("step")) is not None
        ]

    def diagnostic(self, manifest: Manifest, name: str) -> Any:
        """Returns what a JSON file among the diagnostics holds, None where there is none that can be read."""
        file = next((file for file in manifest.diagnostics if file.name == name), None)
        return None if file is None else self._json(manifest, file)

    def _lines(self, manifest: Manifest, name: str) -> Iterator[Any]:
        for file in manifest.diagnostics:
            if file.name.rpartition("/")[2] != name:
                continue
            for line in self._bytes(manifest, file).splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the last line of a killed build may be cut short

    def _json(self, manifest: Manifest, file: FileRecord) -> Any:
        data = self._bytes(manifest, file)
        try:
            return json.loads(data) if data else None
        except ValueError:
            self._miss(manifest, file, "it is not JSON")
            return None

    def _bytes(self, manifest: Manifest, file: FileRecord) -> bytes:
        if file.size > MAX_FILE_BYTES:
            self._miss(manifest, file, "it is too large to be shown here")
            return b""
        try:
            return self._read(file)
        except (NightmillError, OSError) as error:
            self._miss(manifest, file, str(error))
            return b""

    def _miss(self, manifest: Manifest, file: FileRecord, why: str) -> None:
        self.missing.append(f"{file.name} of {manifest.node} {manifest.version} is not shown: {why}")


def number(value: Any) -> float | None:
    """Returns a finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def counts_by_source(value: Any) -> dict[str, dict[str, int]]:
    """Returns {source: {reason: count}} of a metric of that form, leaving out what has another."""
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, dict[str, int]] = {}
    for source, reasons in value.items():
        if isinstance(reasons, Mapping):
            kept = {str(reason): int(n) for reason, n in reasons.items() if number(n) is not None}
            if any(kept.values()):
                found[str(source)] = kept
    return found
