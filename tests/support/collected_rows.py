"""Documents as `collect` leaves them."""

from __future__ import annotations

import hashlib

Row = dict[str, object]


def collected(text: str, *, format: str = "text", source: str = "docs", offset: int = 0) -> Row:
    """One document as collected."""
    return {
        "id": hashlib.sha256(f"{source} {offset} {text}".encode()).hexdigest()[:32],
        "source": source,
        "path": "all.jsonl",
        "offset": offset,
        "licence": "MIT",
        "origin": "tests 1",
        "first_seen": "2026-11-22",
        "date": "",
        "format": format,
        "text": text,
    }
