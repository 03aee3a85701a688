"""Whole files that are one document, and the name of a document."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from tasks.readers.encodings import decode
from tasks.readers.faults import Fault
from tasks.readers.opened import BrokenFile, OpenedFile

ID_DIGITS = 32


def read_text(path: Path, *, locator: str, sha256: str, limit: int) -> str | Fault:
    """Returns the text of a file, or why it has none. Half of a broken file is no document: nothing of it is kept.

    Raises:
        StageFailed: The file is not the one that `sha256` was taken of.
    """
    with OpenedFile(path, locator=locator, sha256=sha256) as file:
        try:
            data = file.read(limit)
        except BrokenFile as broken:
            return broken.fault(0)
        if data is None:
            return Fault(0, "file_too_large", f"more than {limit} bytes of text")
        decoded = decode(data)
        return decoded if isinstance(decoded, Fault) else decoded[0]


def document_id(text: str) -> str:
    """Returns the name of a document with this raw text: 32 hex digits.

    One frozen normalisation comes first (Unicode NFC, newlines as \\n, outer whitespace stripped), so that the same
    text from two systems is the same document.
    """
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return hashlib.sha256(normal.encode()).hexdigest()[:ID_DIGITS]
