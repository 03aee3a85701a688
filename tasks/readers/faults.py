"""A piece of input that cannot be used, as a value: it is counted and kept, it stops nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record, or a whole file, cannot be used.

    Attributes:
        line: 1-based line (JSON lines, text) or row (Parquet); 0 when the whole file is meant.
        reason: One of few words, to count by: `invalid_utf8`, `broken_gzip`, `not_json`, `line_too_long`, …
        detail: More, for people.
    """

    line: int
    reason: str
    detail: str = ""

    def at(self, file: str) -> str:
        """Returns the fault as one line of a list, such as `web/a.jsonl:7: not_json (…)`."""
        where = f"{file}:{self.line}" if self.line else file
        return f"{where}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


def brief(error: Exception | str) -> str:
    """Returns the first line of a library's message, shortened."""
    lines = str(error).strip().splitlines()
    return lines[0][:MAX_DETAIL] if lines else ""
