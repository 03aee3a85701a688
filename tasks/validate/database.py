"""The tables that expectations are about, in a database file.

Great Expectations lets the database compute, so memory does not grow with the documents: of a million documents, a data
frame of the same columns takes 430 MB more. Only columns that some expectation is about are written.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.expectations import TEXT_COLUMNS

REALS = frozenset(("replacement_share", "nearest", "share", "length_psi", "language_psi"))

ROW = "row"
"""The number of a row, by which it is named."""


class Database:
    """An SQLite file with a table for each subject of expectations; see `schemas.expectations.COLUMNS`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = sqlite3.connect(path)
        # A scratch file: what a crash would lose is made anew.
        self._open.execute("PRAGMA journal_mode = OFF")
        self._open.execute("PRAGMA synchronous = OFF")

    def create(self, table: str, columns: Sequence[str]) -> None:
        """Makes a table with a column of row numbers before the others."""
        names = ", ".join(f'"{column}" {_type(column)}' for column in columns)
        self._open.execute(f'CREATE TABLE "{table}" ("{ROW}" INTEGER PRIMARY KEY, {names})')

    def write(
        self,
        table: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        constants: Mapping[str, float | None] | None = None,
    ) -> None:
        """Adds rows.

        Args:
            table: Where.
            columns: What each row holds after its number.
            rows: Numbers and values.
            constants: Other columns, of which all of these rows have one value: those cost next to nothing.
        """
        constant = constants or {}
        names = ", ".join(f'"{column}"' for column in (ROW, *columns, *constant))
        values = ["?"] * (len(columns) + 1) + ["NULL" if value is None else repr(value) for value in constant.values()]
        self._open.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(values)})', rows)
        self._open.commit()

    def rows(self, table: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Returns rows by their numbers, in that order."""
        found = {}
        for number in numbers:
            cursor = self._open.execute(f'SELECT * FROM "{table}" WHERE "{ROW}" = ?', (number,))
            names = [column[0] for column in cursor.description]
            found[number] = dict(zip(names, cursor.fetchone(), strict=True))
        return [found[number] for number in numbers]

    def close(self) -> None:
        """Closes the file and removes it."""
        self._open.close()
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Database]:
    """A database for as long as it is needed."""
    database = Database(path)
    try:
        yield database
    finally:
        database.close()


def write_records(database: Database, table: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Writes a small table given as dictionaries."""
    database.create(table, columns)
    rows = ([number, *(record[column] for column in columns)] for number, record in enumerate(records))
    database.write(table, columns, rows)


def _type(column: str) -> str:
    return "TEXT" if column in TEXT_COLUMNS else "REAL" if column in REALS else "INTEGER"
