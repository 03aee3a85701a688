"""The one tree of errors that a user can meet, each with its exit code.

An error says what happened, where, why, and what to do. Anything outside this tree is a defect of Nightmill and ends
with exit code 1. Errors cross the border between a stage's process and its supervisor as JSON (`to_json`, `from_json`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """Exit codes of the `nightmill` command."""

    DONE = 0
    INTERNAL = 1
    WORK_TO_DO = 2
    BAD_CONFIG = 3
    BAD_INPUT = 4
    STAGE_FAILED = 5
    HELD = 6
    INTERRUPTED = 130


class NightmillError(Exception):
    """Base of every error that a user can cause or repair.

    Args:
        message: What happened and why, in one sentence.
        where: The file and line, document id, configuration key or artifact it happened at.
        hint: What to do about it.
        details: Further lines, such as every rejected file.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, where: str = "", hint: str = "", details: list[str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.details = details or []

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        lines += [f"  - {line}" for line in self.details]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Returns a form that `from_json` turns back into an equal error."""
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
            "details": self.details,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> NightmillError:
        """Rebuilds an error of the right class; an unknown kind becomes a `StageFailed`."""
        kind = _KINDS.get(data.get("kind", ""), StageFailed)
        return kind(
            data.get("message", ""),
            where=data.get("where", ""),
            hint=data.get("hint", ""),
            details=list(data.get("details", [])),
        )


class ConfigError(NightmillError):
    """The configuration or the command line cannot be used; `details` lists every fault at once."""

    exit_code = ExitCode.BAD_CONFIG


class BadInputError(NightmillError):
    """More of the input is unreadable than the configuration allows."""

    exit_code = ExitCode.BAD_INPUT


class StageFailed(NightmillError):
    """A stage could not build its artifact."""

    exit_code = ExitCode.STAGE_FAILED


class StageKilled(StageFailed):
    """A stage's process was killed from outside, most often for memory."""


class ExpectationFailed(StageFailed):
    """The data do not meet an expectation; `details` names the rows."""


class DamagedArtifact(StageFailed):
    """A stored file is missing or does not have the bytes that its manifest states; `where` is its digest."""


class StoreError(StageFailed):
    """The store cannot be read or written: no space, no permission, not a store."""


class Held(NightmillError):
    """A stage waits for a decision of its owner."""

    exit_code = ExitCode.HELD


class Interrupted(NightmillError):
    """The run was stopped by a signal; the next run goes on from here."""

    exit_code = ExitCode.INTERRUPTED


_KINDS: dict[str, type[NightmillError]] = {
    kind.__name__: kind
    for kind in (
        ConfigError,
        BadInputError,
        StageFailed,
        StageKilled,
        ExpectationFailed,
        DamagedArtifact,
        StoreError,
        Held,
        Interrupted,
    )
}
