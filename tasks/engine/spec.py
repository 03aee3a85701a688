"""What a supervisor tells a builder's process, and what it hears back. Plain JSON files and lines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from schemas.manifest import FileRecord


class InputSpec(BaseModel):
    """A named output to read: its files and the folder that shows them."""

    files: list[FileRecord]
    folder: str


class BuildSpec(BaseModel):
    """Everything a builder needs."""

    node: str
    stage: str
    settings: dict[str, Any]
    """The whole configuration of the stage, execution settings included."""
    inputs: dict[str, InputSpec]
    predecessor: dict[str, InputSpec] | None = None
    earlier: dict[str, InputSpec] | None = None
    """Outputs and diagnostics of the latest artifact of this node, a hint; see `Context.earlier`."""
    look: Any = None
    date: str
    code: str
    """Fingerprint of the stage's code as it was planned."""
    root: str = ""
    """Where the project's packages lie: the code there must still have that fingerprint; empty for any code."""
    store: str
    folder: str
    """The builder's own folder: `scratch/`, `checkpoints/` and `result.json` lie in it."""
    threads: int
    workers: int
    reuse_parts: bool = True
    """False for a forced build, which computes everything again."""


class BuildResult(BaseModel):
    """What a builder leaves in `result.json` when it is done."""

    outputs: dict[str, list[FileRecord]]
    diagnostics: list[FileRecord] = []
    metrics: dict[str, Any] = {}
    warnings: list[str] = []
    resumed: str = ""
    libraries: dict[str, str] = {}
    peak_memory_bytes: int = 0
    error: dict[str, Any] | None = None
    """`NightmillError.to_json()` when the build failed."""
