"""What a file holds, told from its name. Imported by every plan: nothing heavy here."""

from __future__ import annotations

import re
from typing import Literal

from schemas.config.formats import FileFormat

Compression = Literal["gzip", "zstd", "bzip2", "xz"]

ARCHIVES = ("zip", "tar")
MEMBER = "!/"
"""Stands between an archive's path and a member's name in a locator: `books/all.zip!/novels/emma.txt`."""

_COMPRESSIONS: dict[str, Compression] = {
    ".gz": "gzip",
    ".zst": "zstd",
    ".bz2": "bzip2",
    ".xz": "xz",
}
_COMPRESSED_TARS: dict[str, Compression] = {
    ".tgz": "gzip",
    ".tzst": "zstd",
    ".tbz2": "bzip2",
    ".tbz": "bzip2",
    ".txz": "xz",
}
_FORMATS: dict[str, FileFormat] = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".warc": "warc",
    ".zip": "zip",
    ".tar": "tar",
}
_RANDOM_ACCESS = ("parquet", "zip")
"""Formats that are not read from front to back, and compress by themselves."""

_WIKIMEDIA = re.compile(r"-pages-(?:articles|meta)[\w-]*\.xml(?:-p\d+p\d+)?$")


def compression_of(name: str) -> Compression | None:
    """Returns how a file of that name is compressed as a whole."""
    suffix = _suffix(name.lower())
    return _COMPRESSIONS.get(suffix) or _COMPRESSED_TARS.get(suffix)


def format_of(name: str) -> FileFormat | None:
    """Returns what a file of that name holds; None for a suffix that is not known."""
    lowered = name.lower()
    suffix = _suffix(lowered)
    if suffix in _COMPRESSED_TARS:
        return "tar"
    compressed = suffix in _COMPRESSIONS
    if compressed:
        lowered = lowered[: -len(suffix)]
    if _WIKIMEDIA.search(lowered):
        return "wikimedia"
    found = _FORMATS.get(_suffix(lowered))
    return None if compressed and found in _RANDOM_ACCESS else found


def archive_of(name: str) -> Literal["zip", "tar"] | None:
    """Returns what kind of archive a file of that name is."""
    found = format_of(name)
    return found if found == "zip" or found == "tar" else None


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""
