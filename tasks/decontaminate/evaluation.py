"""Evaluation text, wherever it comes from: the pipeline's own splits, labelled sets, files that the settings name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import BadInputError
from tasks.engine.stage import JSON, Part
from tasks.readers.faults import Fault
from tasks.readers.records import read_records
from tasks.tables.parquet import TableWriter, iterate_tables

Kind = Literal["documents", "examples", "texts"]
"""Rows of a file: SHARDED, EXAMPLES or `TEXTS`."""

TEXTS = pa.schema(
    [
        pa.field("example", pa.string(), nullable=False),
        pa.field("answer", pa.bool_(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)
"""Rows of an evaluation set that the settings name."""

MAX_SHOWN = 20
ROWS_AT_A_TIME = 1000


def texts_of(path: Path, kind: Kind) -> Iterator[tuple[pa.ChunkedArray, pa.ChunkedArray, bool]]:
    """Yields (example ids, texts, whether these are answers) of an evaluation file, a row group at a time."""
    for table in iterate_tables(path):
        if kind == "documents":
            yield table["id"], table["text"], False
        elif kind == "examples":
            yield table["id"], table["input"], False
            yield table["id"], table["target"], True
        else:
            for answer in (False, True):
                chosen = table.filter(pc.equal(table["answer"], pa.scalar(answer)))
                if chosen.num_rows:
                    yield chosen["example"], chosen["text"], answer


def read_evaluation(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `texts.parquet`, the texts of one file of an evaluation set that the settings name.

    Returns its records, and faults as [line, reason, detail].
    """
    parameters = part.parameters
    wanted = [*parameters["fields"], *parameters["answers"]]
    identity = parameters["id_field"]
    records = read_records(
        Path(part.execution["path"]),
        parameters["format"],
        locator=parameters["name"],
        sha256=parameters["sha256"],
        fields=[*wanted, *([identity] if identity else [])],
        limit=parameters["max_record_bytes"],
    )
    faults: list[list[Any]] = []
    count = 0
    rows: list[dict[str, object]] = []
    with TableWriter(folder / "texts.parquet", TEXTS) as writer:
        for record in records:
            count += 1
            if isinstance(record, Fault):
                faults.append([record.line, record.reason, record.detail])
                continue
            example = f"{parameters['name']}:{record.line}"
            if identity and record.fields.get(identity) is not None:
                example = str(record.fields[identity])
            found = [
                {"example": example, "answer": field in parameters["answers"], "text": text}
                for field in wanted
                for text in _strings(record.fields.get(field))
            ]
            if found:
                rows += found
            else:
                faults.append([record.line, "no_text", f"nothing in {', '.join(wanted)}"])
            if len(rows) >= ROWS_AT_A_TIME:
                writer.write_rows(rows)
                rows = []
        writer.write_rows(rows)
    return {"records": count, "faults": faults}


def _strings(value: Any) -> Iterator[str]:
    """Yields the texts inside a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def check_faults(name: str, faults: Iterable[tuple[str, list[Any]]], records: int, allowed: float) -> list[str]:
    """Returns the faults of a set as lines.

    Raises:
        BadInputError: There is no record, or more of them than allowed cannot be used.
    """
    lines = [Fault(line, reason, detail).at(file) for file, (line, reason, detail) in faults]
    where = f"decontaminate.evaluations.{name}"
    if not records:
        raise BadInputError("the evaluation set is empty", where=where, hint="check its `path`")
    if len(lines) > allowed * records:
        more = [f"and {len(lines) - MAX_SHOWN} more"] if len(lines) > MAX_SHOWN else []
        raise BadInputError(
            f"{len(lines)} of {records} records cannot be used ({allowed:.1%} allowed)",
            where=where,
            details=lines[:MAX_SHOWN] + more,
            hint="repair the file, check `fields` and `answers`, or raise `max_bad_fraction`",
        )
    return lines
