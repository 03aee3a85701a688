"""How well the tokenizer fits each language: what a nightly lineage watches before it goes on reusing a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.tokens.encoding import Processor, encode_text

MEASURED_BYTES = 1 << 20
"""Text per language that is measured: shares are then known to about a percent, in about half a second."""


def measure(processor: Processor, texts: Iterable[str], language: str) -> dict[str, Any]:
    """Encodes and decodes texts of one language, up to `MEASURED_BYTES`.

    Returns:
        `documents`, `tokens`, `fertility` (tokens per word between spaces, in Chinese tokens per character that is no
        space), `bytes_per_token`, `byte_fallback_share` (share of the tokens that spell single bytes) and
        `altered_documents` (which do not decode to the very text). Ratios are None without text.
    """
    documents = tokens = size = units = spelt = altered = 0
    is_byte = [processor.is_byte(place) for place in range(processor.get_piece_size())]
    for text in texts:
        if size >= MEASURED_BYTES:
            break
        ids = encode_text(processor, text)
        words = text.split()
        documents += 1
        tokens += len(ids)
        size += len(text.encode())
        units += sum(map(len, words)) if language == "zh" else len(words)
        spelt += sum(is_byte[place] for place in ids)
        altered += processor.decode(ids) != text
    return {
        "documents": documents,
        "tokens": tokens,
        "fertility": _ratio(tokens, units),
        "bytes_per_token": _ratio(size, tokens),
        "byte_fallback_share": _ratio(spelt, tokens),
        "altered_documents": altered,
    }


def _ratio(value: int, of: int) -> float | None:
    return round(value / of, 4) if of else None
