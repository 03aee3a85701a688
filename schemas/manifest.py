"""What is recorded of an artifact and of a run. Both are JSON files in the store, read by every view."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MANIFEST_FORMAT = 1
RUN_FORMAT = 1


class Record(BaseModel):
    """Base of stored records: unknown fields of a later minor version are kept out of the way, not refused."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)


class FileRecord(Record):
    """One file of an artifact; its bytes are the object `digest`."""

    name: str
    """Path inside its output, "/"-separated."""
    digest: str
    size: int
    rows: int | None = None

    @field_validator("name")
    @classmethod
    def _stays_inside(cls, name: str) -> str:
        if name.startswith("/") or "\0" in name or ".." in name.split("/"):
            raise ValueError(f"{name!r} is no name inside an output")
        return name


class OutputRecord(Record):
    """A named output; `digest` is its content digest, the only thing that enters keys downstream."""

    digest: str
    files: list[FileRecord]


class InputRecord(Record):
    """A named output that was read."""

    node: str
    output: str
    version: str
    digest: str


class Manifest(Record):
    """Everything known about one version of one artifact."""

    format: int = MANIFEST_FORMAT
    node: str
    """The node of the graph, such as `finetune.summarise`."""
    stage: str
    version: str
    key: str
    settings: dict[str, Any]
    """The identity configuration."""
    stage_version: int
    code: str
    """Fingerprint of the stage's code."""
    code_modules: dict[str, str] = Field(default_factory=dict)
    """Digest of each module and data file in it."""
    look: str = ""
    """Digest of what the stage saw outside the store."""
    predecessor: str = ""
    """Content digest of the artifact that this one continues."""
    inputs: list[InputRecord]
    outputs: dict[str, OutputRecord]
    diagnostics: list[FileRecord] = Field(default_factory=list)
    metrics: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    started: str
    """ISO 8601, UTC."""
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    resumed: str = ""
    """What the build went on from (`step 120`, `3 of 5 parts`); empty for a build from nothing."""
    reason: str = ""
    """Why it was built."""
    date: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    git_commit: str = ""
    host_class: str = ""
    command: str = ""
    flow_run: str = ""


Outcome = Literal[
    "pending", "running", "cached", "built", "resumed", "failed", "held", "blocked", "interrupted", "skipped"
]


class StageOutcome(Record):
    """What a run did about one node of its graph."""

    node: str
    stage: str
    outcome: Outcome = "pending"
    reason: str = ""
    key: str = ""
    version: str = ""
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    warnings: list[str] = Field(default_factory=list)
    error: dict[str, Any] | None = None
    """`NightmillError.to_json()` of what failed."""


class RunRecord(Record):
    """`runs/<run>.json`: what a run pinned, decided and built."""

    format: int = RUN_FORMAT
    run: str
    pipeline: str
    config_file: str
    settings: dict[str, Any]
    """Identity configuration of the whole pipeline."""
    date: str
    """Nominal date."""
    started: str
    finished: str = ""
    outcome: Literal["running", "done", "failed", "held", "interrupted"] = "running"
    command: str = ""
    flow_run: str = ""
    pins: dict[str, str] = Field(default_factory=dict)
    """Reference → version, resolved once when the run was created."""
    process: dict[str, Any] = Field(default_factory=dict)
    """Who runs it (`tasks.store.leases.this_process`), so that a killed run can be told from one at work."""
    stages: list[StageOutcome]
    """In the order of the graph."""
