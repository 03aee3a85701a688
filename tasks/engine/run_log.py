"""What a run pinned, decided and built, as it is known so far: kept in `runs/<run>.json`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from schemas.errors import Held, Interrupted, NightmillError
from schemas.manifest import Manifest, RunRecord, StageOutcome
from tasks.store.records import RecordStore


class RunLog:
    """The record of a run and the errors of its nodes; threads may write side by side.

    Attributes:
        record: What is saved; its stages are in the order of the graph.
        errors: What ended nodes, by name.
    """

    def __init__(self, record: RunRecord, records: RecordStore) -> None:
        self.record = record
        self.errors: dict[str, NightmillError] = {}
        self._records = records
        self._lock = threading.Lock()

    def outcome(self, name: str) -> StageOutcome:
        """Returns what is known of a node."""
        return next(stage for stage in self.record.stages if stage.node == name)

    def blocked(self, outcome: StageOutcome, blocker: str) -> None:
        """Records that a node could not be brought about because of one before it."""
        cause = self.outcome(blocker)
        if cause.outcome == "blocked":
            outcome.reason = cause.reason
        else:
            verb = {"failed": "failed", "held": "is held", "interrupted": "was stopped"}.get(
                cause.outcome, "did not run"
            )
            outcome.reason = f"waits for {blocker}, which {verb}"
        outcome.outcome = "blocked"

    def failed(self, outcome: StageOutcome, error: NightmillError) -> None:
        """Records what ended a node."""
        outcome.outcome = (
            "held" if isinstance(error, Held) else "interrupted" if isinstance(error, Interrupted) else "failed"
        )
        outcome.reason = error.message
        outcome.error = error.to_json()
        with self._lock:
            self.errors[outcome.node] = error

    def finish(self) -> RunRecord:
        """Settles what became of the run and saves the record."""
        outcomes = {stage.outcome for stage in self.record.stages}
        if "interrupted" in outcomes:
            self.record.outcome = "interrupted"
        elif "failed" in outcomes:
            self.record.outcome = "failed"
        elif "held" in outcomes:
            self.record.outcome = "held"
        else:
            self.record.outcome = "done"
        self.record.finished = now()
        self.save()
        return self.record

    def error(self) -> NightmillError | None:
        """The earliest error in the graph's order; interruptions come before failures, and those before holds."""
        found = [self.errors[stage.node] for stage in self.record.stages if stage.node in self.errors]
        return min(found, key=lambda error: (not isinstance(error, Interrupted), isinstance(error, Held)), default=None)

    def save(self) -> None:
        """Writes `runs/<run>.json`."""
        with self._lock:
            data = self.record.model_dump_json(indent=1).encode()
            name = f"runs/{self.record.run}.json"
            found = self._records.get(name)
            if found is None:
                self._records.put_if_absent(name, data)
            else:
                self._records.put_if_match(name, data, found.etag)


def describe(outcome: StageOutcome, manifest: Manifest) -> None:
    """Copies what a manifest says of the work into what the run says of the node."""
    outcome.key, outcome.version = manifest.key, manifest.version
    outcome.rows_in = manifest.metrics.get("rows_in")
    outcome.rows_out = manifest.metrics.get("rows_out")
    outcome.seconds, outcome.cpu_seconds = manifest.seconds, manifest.cpu_seconds
    outcome.peak_memory_bytes = manifest.peak_memory_bytes
    outcome.warnings = manifest.warnings


def now() -> str:
    """Returns the time as records state it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
