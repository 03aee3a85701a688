"""One part: its files are read in locator order, and every record becomes a document or a counted fault.

At most one batch of documents and one record are held beside what the table writer keeps. A batch goes to Arrow column
by column: a dictionary for each document would take as long as parsing its JSON.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.config.formats import Reading
from schemas.tables import COLLECTED, QUARANTINED
from tasks.engine.stage import Part
from tasks.readers.documents import Found, Source, Text, read_documents
from tasks.readers.faults import Fault, Skip, inside
from tasks.readers.identity import document_id
from tasks.tables.parquet import TableWriter

DOCUMENTS = "documents.parquet"
QUARANTINE = "quarantine.parquet"

MAX_SAMPLES = 20
"""Faults per source that are kept in the figures, to be shown when there are too many."""

BATCH_ROWS = 1024
BATCH_CHARACTERS = 4 * 1024**2

FAULTS = {
    "unreadable": "no permission, or a link that leads nowhere",
    "link_outside": "a link that leads out of the source's folder; `follow_links: true` would read it",
    "lost": "it left its source, and its bytes are gone from the store",
}
"""What the look at a folder sets aside. For what a fetcher could not have, the reason and the URL say it all."""

File = Mapping[str, Any]
"""What a part is told of a file: fields of `LedgerRow`."""


def collect_part(part: Part, folder: Path) -> Mapping[str, Any]:
    """Writes `documents.parquet` and `quarantine.parquet`; returns counts by source.

    Raises:
        StageFailed: A file is not, or no longer, the one that the snapshot saw.
    """
    counts = _Counts()
    readings = {name: Reading.model_validate(found) for name, found in part.parameters["sources"].items()}
    with (
        TableWriter(folder / DOCUMENTS, COLLECTED) as documents,
        TableWriter(folder / QUARANTINE, QUARANTINED) as quarantine,
    ):
        batch = _Batch(documents, quarantine)
        stored = {file.stored.digest: file for file in part.files}
        for line in part.parameters["files"]:
            file = json.loads(line)
            if file["sha256"] in stored:
                place = stored[file["sha256"]].path
            else:
                place = Path(f"{part.execution['folders'].get(file['source'], '')}/{file['path']}")
            for found in read_file(file, readings[file["source"]], place):
                counts.add(file, found)
                if not isinstance(found, Skip):
                    batch.add(file, found)
        batch.flush()
    return counts.figures()


def read_file(file: File, reading: Reading, place: Path) -> Iterator[Found]:
    """Yields a file's documents and faults, in order."""
    if not file["sha256"]:
        yield Fault(0, file["fault"], FAULTS.get(file["fault"]) or str(file["origin"]))
        return
    source = Source(
        path=place,
        name=file["path"],
        locator=f"{file['source']}/{file['path']}",
        format=file["format"],
        sha256=file["sha256"],
        size=file["size"],
        licence=file["licence"],
        origin=file["origin"],
    )
    yield from read_documents(source, reading)


class _Batch:
    """Documents and faults that wait to be written, few of them when texts are long."""

    def __init__(self, documents: TableWriter, quarantine: TableWriter) -> None:
        self._documents = documents
        self._quarantine = quarantine
        self._texts: list[tuple[File, Text]] = []
        self._faults: list[tuple[File, Fault]] = []
        self._characters = 0

    def add(self, file: File, found: Text | Fault) -> None:
        if isinstance(found, Fault):
            self._faults.append((file, found))
        else:
            self._texts.append((file, found))
            self._characters += len(found.text)
        rows = len(self._texts) + len(self._faults)
        if rows >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        if self._texts:
            self._documents.write(_table(COLLECTED, _document_columns(self._texts)))
        if self._faults:
            self._quarantine.write(_table(QUARANTINED, _fault_columns(self._faults)))
        self._texts, self._faults, self._characters = [], [], 0


def _document_columns(found: list[tuple[File, Text]]) -> dict[str, list[Any]]:
    return {
        "id": [document_id(text.text) for _, text in found],
        "source": [file["source"] for file, _ in found],
        "path": [inside(file["path"], text.member) for file, text in found],
        "offset": [text.offset for _, text in found],
        "licence": [text.licence for _, text in found],
        "origin": [text.origin for _, text in found],
        "first_seen": [file["first_seen"] for file, _ in found],
        "date": [text.date for _, text in found],
        "format": [text.format for _, text in found],
        "text": [text.text for _, text in found],
    }


def _fault_columns(found: list[tuple[File, Fault]]) -> dict[str, list[Any]]:
    return {
        "source": [file["source"] for file, _ in found],
        "path": [inside(file["path"], fault.member) for file, fault in found],
        "line": [fault.line for _, fault in found],
        "reason": [fault.reason for _, fault in found],
        "detail": [fault.detail for _, fault in found],
    }


def _table(schema: pa.Schema, columns: Mapping[str, list[Any]]) -> pa.Table:
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


class _Counts:
    """What a part holds, by source."""

    def __init__(self) -> None:
        self._documents: Counter[str] = Counter()
        self._quarantined: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._skipped: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._samples: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, file: File, found: Found) -> None:
        source = file["source"]
        if isinstance(found, Text):
            self._documents[source] += 1
        elif isinstance(found, Skip):
            self._skipped[source][found.reason] += 1
        else:
            self._quarantined[source][found.reason] += 1
            if len(self._samples[source]) < MAX_SAMPLES:
                self._samples[source].append(found.at(f"{source}/{file['path']}"))

    def figures(self) -> dict[str, Any]:
        """Returns the counts as JSON."""
        return {
            "documents": dict(self._documents),
            "quarantined": {source: dict(reasons) for source, reasons in self._quarantined.items()},
            "skipped": {source: dict(reasons) for source, reasons in self._skipped.items()},
            "samples": dict(self._samples),
        }
