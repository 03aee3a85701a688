"""The name of a document."""

from __future__ import annotations

import hashlib
import unicodedata

ID_DIGITS = 32


def document_id(text: str) -> str:
    """Returns the name of a document with this raw text: 32 hex digits.

    One frozen normalisation comes first (Unicode NFC, newlines as \\n, outer whitespace stripped), so that the same
    text from two systems is the same document.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return hashlib.sha256(text.strip().encode()).hexdigest()[:ID_DIGITS]
