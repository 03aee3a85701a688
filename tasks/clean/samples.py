"""A few of the documents left out, for each source and reason, to look at: `reject_samples.json`.

Which ones does not depend on how documents lie in parts: those with the smallest ids read backwards, which are digests
already. Personal data is replaced, whatever the settings say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tasks.text.personal import KINDS, replace

FILE = "reject_samples.json"

SAMPLE_CHARACTERS = 200
"""How much of a dropped document is kept to look at."""

Sample = dict[str, str]


def shown(cleaned: pl.Series, raw: pl.Series) -> pl.Series:
    """Returns the beginning of each cleaned text, or of the raw one where cleaning left nothing, without personal
    data."""
    texts = pl.select(pl.when(cleaned == "").then(raw).otherwise(cleaned).str.head(2 * SAMPLE_CHARACTERS)).to_series()
    # Replaced before it is cut: half an address is not recognised as one.
    return replace(texts, KINDS, public_addresses_only=False)[0].str.head(SAMPLE_CHARACTERS)


def chosen(dropped: pl.DataFrame, most: int) -> list[Sample]:
    """Returns at most so many rows (of DROPPED) per source and reason, sorted."""
    if not most:
        return []
    rows = (
        dropped.with_columns(pl.col("id").str.reverse().alias("order"))
        .sort("source", "reason", "order", "path", "offset")
        .group_by("source", "reason", maintain_order=True)
        .head(most)
    )
    return [
        {"reason": reason, "source": source, "id": id_, "path": path, "sample": sample}
        for reason, source, id_, path, sample in rows.select("reason", "source", "id", "path", "sample").iter_rows()
    ]


def merged(parts: Iterable[Iterable[Mapping[str, Any]]], most: int) -> list[Sample]:
    """Returns what `chosen` would give for all parts at once."""
    rows = sorted(
        (dict(sample) for samples in parts for sample in samples),
        key=lambda row: (row["source"], row["reason"], row["id"][::-1], row["path"]),
    )
    found: list[Sample] = []
    taken: dict[tuple[str, str], int] = {}
    for row in rows:
        group = (row["source"], row["reason"])
        taken[group] = taken.get(group, 0) + 1
        if taken[group] <= most:
            found.append(row)
    return found


def write(path: Path, samples: list[Sample]) -> None:
    """Writes samples as JSON."""
    path.write_text(json.dumps(samples, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(path: Path) -> list[Sample]:
    """Reads what `write` wrote."""
    found: list[Sample] = json.loads(path.read_text(encoding="utf-8"))
    return found
