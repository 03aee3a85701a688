"""Records to examples: every one is checked, and named after its input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.config.examples import ExamplesConfig
from schemas.tables import LANGUAGES
from tasks.readers.faults import Fault
from tasks.readers.identity import document_id
from tasks.readers.records import Record, read_records


@dataclass(frozen=True, slots=True)
class Example:
    """One example. `id` is the document id of its input: equal inputs have equal ids, here and in the corpus."""

    id: str
    language: str
    input: str
    target: str


def read_examples(
    rows: Iterable[tuple[str, str, str]], folder: Path, config: ExamplesConfig
) -> Iterator[tuple[str, Example | Fault]]:
    """Yields (file name, example or fault) in the order of the files and their records."""
    fields = [config.input, config.target, *([config.language_field] if config.language_field else [])]
    for name, sha256, format in rows:
        records = read_records(
            folder / name,
            "parquet" if format == "parquet" else "jsonl",
            locator=name,
            sha256=sha256,
            fields=fields,
            limit=config.max_record_bytes,
        )
        for record in records:
            yield name, record if isinstance(record, Fault) else example_of(record, config)


def example_of(record: Record, config: ExamplesConfig) -> Example | Fault:
    """Returns a record as an example, its texts without outer whitespace; or why it is none."""
    for field in (config.input, config.target):
        if record.fields.get(field) is None:
            return Fault(record.line, "missing_field", f"no {field!r}")
    text, target = record.fields[config.input], record.fields[config.target]
    if config.kind == "classification" and isinstance(target, (bool, int)):
        target = str(target).lower() if isinstance(target, bool) else str(target)
    for field, value in ((config.input, text), (config.target, target)):
        if not isinstance(value, str):
            return Fault(record.line, "not_a_text", f"{field!r} is a {type(value).__name__}")
        if not value.strip():
            return Fault(record.line, "empty", f"{field!r} is empty")
    language = config.language if config.language_field is None else record.fields.get(config.language_field)
    if language not in LANGUAGES:
        return Fault(record.line, "unknown_language", f"{language!r} is none of {', '.join(LANGUAGES)}")
    return Example(document_id(text), str(language), text.strip(), target.strip())
