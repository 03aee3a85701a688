"""Corpora for the benchmark of deduplication: real documents with planted edits, and poems in two editions."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.tables import CLEANED
from tasks.tables.parquet import write_table

PART_ROWS = 4_000
Pairs = list[tuple[str, str, float]]
"""(path, path, true Jaccard similarity)."""


def tokens(text: str, language: str) -> list[str]:
    folded = "".join(letter.lower() if letter.isalnum() else " " for letter in text)
    return list(folded.replace(" ", "")) if language == "zh" else folded.split()


def similarity(left: str, right: str, language: str) -> float:
    """True Jaccard similarity of the sets of 5-grams."""
    sets = []
    for text in (left, right):
        found = tokens(text, language)
        sets.append({tuple(found[start : start + 5]) for start in range(len(found) - 4)})
    union = sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(union) if union else 0.0


def row(path: str, text: str, language: str, seen: str = "2026-01-01") -> dict[str, Any]:
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:32],
        "source": "corpus",
        "path": path,
        "offset": 0,
        "licence": "",
        "origin": "",
        "first_seen": seen,
        "date": "",
        "language": language,
        "text": text,
    }


def documents(folder: Path, language: str, limit: int, planted: int) -> tuple[list[dict[str, Any]], Pairs]:
    """Returns rows, and the pairs of a document and its edited copy; 0.5 to 15 % of the words are altered."""
    source = random.Random(1)
    frame = pl.concat([pl.read_parquet(path, columns=["content", "lang"]) for path in sorted(folder.glob("*.parquet"))])
    frame = frame.filter(pl.col("lang") == language)
    frame = frame.sample(min(limit, frame.height), seed=1, shuffle=True)
    rows, pairs = [], []
    for number, text in enumerate(frame["content"]):
        rows.append(row(f"{number:07}", text, language))
        if number < planted:
            copy = _edited(text, language, source)
            rows.append(row(f"{number:07}-copy", copy, language, "2026-01-02"))
            pairs.append((f"{number:07}", f"{number:07}-copy", similarity(text, copy, language)))
    return rows, pairs


def _edited(text: str, language: str, source: random.Random) -> str:
    pieces = list(text) if language == "zh" else text.split(" ")
    share = source.uniform(0.005, 0.15)
    return ("" if language == "zh" else " ").join(
        source.choice(pieces) if source.random() < share else piece for piece in pieces
    )


def poems(folder: Path) -> tuple[list[dict[str, Any]], Pairs]:
    """Returns the poems of `poetry.parquet` one by one, and the pairs of two collections with one opening line."""
    rows: list[dict[str, Any]] = []
    by_opening: dict[str, list[int]] = defaultdict(list)
    collections: list[str] = []
    frame = pl.read_parquet(folder / "poetry.parquet", columns=["path", "content"])
    for path, content in frame.iter_rows():
        for number, poem in enumerate(part for part in content.split("\n\n") if part.strip()):
            opening = "".join(tokens(poem.strip().splitlines()[0], "zh"))
            by_opening[opening].append(len(rows))
            collections.append(str(Path(path).parent))
            rows.append(row(f"{path}-{number:04}", poem, "zh"))
    pairs = [
        (rows[left]["path"], rows[right]["path"], similarity(rows[left]["text"], rows[right]["text"], "zh"))
        for numbers in by_opening.values()
        for left, right in pairwise(numbers)
        if collections[left] != collections[right]
    ]
    return rows, pairs


def write_parts(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Writes documents as `clean` leaves them."""
    folder.mkdir(parents=True)
    for begin in range(0, len(rows), PART_ROWS):
        table = pa.Table.from_pylist(rows[begin : begin + PART_ROWS], schema=CLEANED)
        write_table(folder / f"part-{begin:08}.parquet", table, CLEANED)
