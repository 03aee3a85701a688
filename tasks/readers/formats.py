"""What a file holds, told from its name. Imported by every plan: nothing heavy here."""

from __future__ import annotations

from schemas.config.formats import FileFormat

GZIP = ".gz"

_FORMATS: dict[str, FileFormat] = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".html": "html",
    ".htm": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def is_gzip(name: str) -> bool:
    """Tells whether a file of that name is compressed."""
    return name.lower().endswith(GZIP)


def format_of(name: str) -> FileFormat | None:
    """Returns what a file of that name holds; None for a suffix that is not known."""
    lowered = name.lower()
    if lowered.endswith(GZIP):
        lowered = lowered[: -len(GZIP)]
        if lowered.endswith(".parquet"):  # needs random access; it compresses by itself
            return None
    dot = lowered.rfind(".")
    return _FORMATS.get(lowered[dot:]) if dot >= 0 else None
