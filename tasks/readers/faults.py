"""A piece of input that cannot be used, as a value: it is counted and kept, it stops nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.readers.formats import MEMBER

MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record, or a whole file, cannot be used.

    Attributes:
        line: 1-based line (JSON lines, CSV, text), row (Parquet), record (WARC) or page (Wikimedia); 0 when the whole
            file or member is meant.
        reason: One of few words, to count by: `invalid_utf8`, `broken_gzip`, `not_json`, `line_too_long`, …
        detail: More, for people.
        member: The member of an archive; empty when the file is none, or the archive itself is meant.
    """

    line: int
    reason: str
    detail: str = ""
    member: str = ""

    def at(self, file: str) -> str:
        """Returns the fault as one line of a list, such as `web/a.jsonl:7: not_json (…)`."""
        file = inside(file, self.member)
        where = f"{file}:{self.line}" if self.line else file
        return f"{where}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that is no document and no fault either, such as a redirect: counted by its reason."""

    reason: str


def inside(path: str, member: str) -> str:
    """Returns the locator of a member of an archive, or of the file itself."""
    return f"{path}{MEMBER}{member}" if member else path


def brief(error: Exception | str) -> str:
    """Returns the first line of a library's message, shortened."""
    lines = str(error).strip().splitlines()
    return lines[0][:MAX_DETAIL] if lines else ""
