"""Documents and what else a stage reads, for tests of the stages between `clean` and `tokenizer`."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.manifest import FileRecord
from tasks.engine.spec import InputSpec
from tasks.store.store import Store
from tasks.tables.card import Count, dataset_card
from tasks.tables.parquet import write_table

Row = dict[str, Any]


def document(text: str, *, path: str = "a.txt", language: str = "en", seen: str = "2026-01-01", **more: Any) -> Row:
    """A cleaned document; its id follows from its text."""
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:32],
        "source": "docs",
        "path": path,
        "offset": 0,
        "licence": "MIT",
        "origin": "library 1.0",
        "first_seen": seen,
        "date": "",
        "language": language,
        "text": text,
    } | more


def table_input(store: Store, schema: pa.Schema, files: Mapping[str, Sequence[Row]]) -> InputSpec:
    """Stores rows as Parquet files of the given names."""
    records = []
    with tempfile.TemporaryDirectory(dir=store.root) as folder:
        for name, rows in sorted(files.items()):
            path = Path(folder) / name
            count = write_table(path, pa.Table.from_pylist(list(rows), schema=schema), schema)
            digest, size = store.objects.take(path)
            records.append(FileRecord(name=name, digest=digest, size=size, rows=count))
    return InputSpec(files=records, folder="")


def card_input(store: Store, splits: Mapping[str, Sequence[Row]]) -> InputSpec:
    """Stores the card of rows, as `decontaminate` leaves one."""
    counts = [
        Count(split, "docs", "MIT", "en", len(rows), 0, "2026-01-01", "2026-01-01") for split, rows in splits.items()
    ]
    with tempfile.TemporaryDirectory(dir=store.root) as folder:
        path = Path(folder) / "README.md"
        path.write_text(dataset_card(counts, {"text": "the text"}, ["Made for a test."]), encoding="utf-8")
        digest, size = store.objects.take(path)
    return InputSpec(files=[FileRecord(name="README.md", digest=digest, size=size)], folder="")
