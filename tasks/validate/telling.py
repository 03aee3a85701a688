"""What a person is told of an expectation that does not hold: what was observed, and which rows, by names they know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.validate.checks import Verdict
from tasks.validate.database import ROW, Database
from tasks.validate.tables import Measured, Near, origin, place_of, starts_of

_NAMES = {
    "files": ("split", "file"),
    "splits": ("split",),
    "languages": ("language",),
    "drift": ("source", "language"),
}
"""Columns by which a row of a small table is named."""


class Telling:
    """Words for verdicts.

    Args:
        database: The tables.
        files: The measured files.
        near: Of held-out documents (file, row), the one they resemble most.
    """

    def __init__(self, database: Database, files: Sequence[Measured], near: Mapping[tuple[int, int], Near]) -> None:
        self._database = database
        self._files = files
        self._near = near
        self._starts = starts_of(files)

    def lines(self, verdict: Verdict) -> list[str]:
        """Returns lines for a person: the expectation, what was observed, and which rows."""
        expectation = verdict.expectation
        arguments = "".join(f", {name}={value}" for name, value in expectation.arguments.items())
        first = f"{verdict.name}: {expectation.type}({expectation.column}{arguments}): {verdict.observed}"
        rows = self._database.rows(expectation.table, verdict.rows)
        return [first, *sorted(f"  {self._row(expectation.table, expectation.column, row)}" for row in rows)]

    def _row(self, table: str, column: str, row: Mapping[str, Any]) -> str:
        value = row[column]
        shown = f"{column} = {value:.3f}" if isinstance(value, float) else f"{column} = {value!r}"
        if table == "documents":
            return f"{self._document(row[ROW])}: {shown}{self._resembled(row[ROW]) if column == 'nearest' else ''}"
        name = " ".join(str(row[name]) for name in _NAMES[table])
        return f"{name}: {shown}{self._faults(column, row[ROW]) if table == 'files' else ''}"

    def _document(self, row: int) -> str:
        file, document = origin(self._files, row)
        return f"{file.split} {document['id']} {document['source']}:{document['path']}#{document['offset']}"

    def _resembled(self, row: int) -> str:
        found = self._near.get(place_of(self._files, row))
        return f", to {self._document(self._starts[found.file] + found.row)}" if found else ""

    def _faults(self, column: str, row: int) -> str:
        file = self._files[row]
        if column == "schema_faults":
            return f" ({'; '.join(file.faults)})"
        return f" ({', '.join(f'{name} {count}' for name, count in file.nulls.items())})" if column == "nulls" else ""
