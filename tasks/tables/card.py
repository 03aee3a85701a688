"""The dataset card: README.md beside the shards, whose YAML header `datasets` reads the splits from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
"""Classes of size that dataset hubs know, by the number of rows below which they lie."""


@dataclass(frozen=True, slots=True)
class Count:
    """Documents of one split that have the same source, licence and language.

    Attributes:
        split: train, valid or test.
        source: Name of the source.
        licence: As the source states it; empty where it states none.
        language: en or zh.
        documents: How many.
        text_bytes: Bytes of their texts in UTF-8.
        first_seen: The first day one of them was seen, ISO.
        last_seen: The last day one of them was first seen.
    """

    split: str
    source: str
    licence: str
    language: str
    documents: int
    text_bytes: int
    first_seen: str
    last_seen: str


def dataset_card(counts: Sequence[Count], columns: Mapping[str, str], made: Sequence[str]) -> str:
    """Returns the card of a folder that holds a folder of Parquet files for each split.

    Args:
        counts: Of all splits.
        columns: What each column holds.
        made: How the corpus was made, a sentence or two a step.
    """
    splits = list(dict.fromkeys(count.split for count in counts))
    languages = sorted({count.language for count in counts})
    licences = sorted({count.licence.lower() or "unknown" for count in counts})
    total = sum(count.documents for count in counts)
    header = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}/*.parquet"} for split in splits],
            }
        ],
        "language": languages,
        "license": licences,
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "n>1B")],
        "task_categories": ["text-generation"],
    }
    lines = ["---", yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]
    lines += ["# Corpus", "", f"{total:,} documents, {_megabytes(counts)} of text, in Parquet.", "", "## Splits", ""]
    lines += _table(counts, ("split", "language"), ("split", "language"))
    lines += ["", "## Sources", ""]
    lines += _table(counts, ("source", "licence", "language"), ("source", "licence", "language"), seen=True)
    lines += [
        "",
        "Every row bears the source, path and licence it came with: `source`, `path`, `offset`, `licence`, `origin`,",
        "`first_seen` and `date`. Licences are as the sources state them. The sha256 of each file is in the output",
        "`files` of the stage `snapshot`, by `source` and `path`.",
        "",
        "## Columns",
        "",
    ]
    lines += [f"- `{name}`: {meaning}" for name, meaning in columns.items()]
    lines += ["", "## How it was made", ""]
    lines += [f"{number}. {step}" for number, step in enumerate(made, 1)]
    return "\n".join(lines) + "\n"


def _table(counts: Sequence[Count], keys: Sequence[str], titles: Sequence[str], *, seen: bool = False) -> list[str]:
    groups: dict[tuple[str, ...], list[Count]] = {}
    for count in counts:
        groups.setdefault(tuple(getattr(count, key) for key in keys), []).append(count)
    heads = [*titles, "documents", "text", *(["first seen"] if seen else [])]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for group, found in groups.items() if not seen else sorted(groups.items()):
        cells = [_cell(value) for value in group]
        cells += [f"{sum(count.documents for count in found):,}", _megabytes(found)]
        if seen:
            first, last = min(count.first_seen for count in found), max(count.last_seen for count in found)
            cells.append(first if first == last else f"{first} to {last}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(value: str) -> str:
    """Keeps what a source calls itself from breaking out of the table."""
    return " ".join(value.replace("|", "\\|").split()) or "unknown"


def _megabytes(counts: Sequence[Count]) -> str:
    return f"{sum(count.text_bytes for count in counts) / 1e6:,.1f} MB"
