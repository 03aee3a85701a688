"""Rows of a query or a dataset as files of JSON lines, each with about so many rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from tasks.fetch.contract import JSON, Destination, Item


def chunk_path(number: int) -> str:
    """Returns a chunk's path in its source: sorted by name is sorted by number."""
    return f"rows-{number:08}.jsonl"


class ChunkWriter:
    """Writes rows into chunks, each kept and remembered as soon as it is whole.

    Args:
        destination: Where chunks go.
        url: Where rows come from, without credentials.
        number: Number of the first chunk.
    """

    def __init__(self, destination: Destination, *, url: str, number: int = 0) -> None:
        self.items: list[Item] = []
        self.rows = 0
        self._destination = destination
        self._url = url
        self._number = number
        self._file: BinaryIO | None = None
        self._path: Path = destination.folder / "rows.part"

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends a row to the open chunk; `rows` counts those in it."""
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.write(line_of(row))
        self.rows += 1

    def end(self, tag: Mapping[str, JSON]) -> None:
        """Ends the open chunk, if there is one."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        sha256, size = self._destination.keep(self._path)
        item = Item(chunk_path(self._number), self._url, sha256, size, "jsonl", {**tag, "rows": self.rows})
        self._destination.remember(item)
        self.items.append(item)
        self._number += 1
        self.rows = 0


def line_of(row: Mapping[str, Any]) -> bytes:
    """Returns a row as a line of JSON. What is no JSON is not made to look like text: `collect` sets it aside."""
    try:
        return orjson.dumps(row, default=_no_json) + b"\n"
    except TypeError:  # A lone surrogate, or a whole number of more than 64 bits.
        text = json.dumps(row, ensure_ascii=False, default=_no_json, separators=(",", ":"))
    try:
        return text.encode("utf-8", "surrogateescape") + b"\n"
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass") + b"\n"


def _no_json(value: Any) -> JSON:
    return {"no_json": type(value).__name__}
