"""Labelled examples as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from schemas.tables import EXAMPLES
from tasks.tables.parquet import read_table


@dataclass(frozen=True, slots=True)
class Example:
    """A row of an `EXAMPLES` table."""

    id: str
    language: str
    input: str
    target: str


def read_examples(paths: Iterable[Path]) -> list[Example]:
    """Reads whole example tables, in order."""
    return [Example(**row) for row in read_table(paths, EXAMPLES).to_pylist()]
