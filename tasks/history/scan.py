"""Looks a document up in the tables of an artifact: by id, by the beginning of one, or by its place in a source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.ledger import LedgerRow
from schemas.manifest import Manifest
from tasks.readers.formats import MEMBER
from tasks.store.store import Store
from tasks.tables.rows import find_rows, take_rows

ID = re.compile(r"[0-9a-f]{4,32}")
"""An id or the beginning of one; fewer digits would name too many documents to be meant."""

ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Query:
    """What documents are asked for.

    Attributes:
        id: Beginning of the id; empty if they are asked for by place.
        source: Of the place.
        path: Of the place; a folder ends with "/".
        offset: Of the place; None for all of a file.
    """

    id: str = ""
    source: str = ""
    path: str = ""
    offset: int | None = None

    @classmethod
    def read(cls, text: str) -> Query | None:
        """Returns what a text asks for, an id or `source:path#offset`, or None if it is neither."""
        if ID.fullmatch(text):
            return cls(id=text)
        source, colon, place = text.partition(":")
        if not colon or not source or not place:
            return None
        path, mark, offset = place.rpartition("#")
        if mark and offset.isascii() and offset.isdigit():
            return cls(source=source, path=path, offset=int(offset))
        return cls(source=source, path=place)


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a table.

    Attributes:
        file: Name of the file inside its output.
        row: Its number there.
        values: Columns by name.
    """

    file: str
    row: int
    values: dict[str, Any]


class Tables:
    """Reads tables of artifacts and remembers what was unreadable.

    Attributes:
        unreadable: A line for each file that could not be read.
    """

    def __init__(self, store: Store) -> None:
        self.unreadable: list[str] = []
        self._store = store

    def rows(
        self,
        manifest: Manifest | None,
        output: str,
        query: Query,
        *,
        id_column: str = "id",
        columns: Sequence[str] = (),
    ) -> list[Found]:
        """Returns the rows that a query asks for of an output of an artifact, where there are any.

        Args:
            manifest: The artifact, None for none.
            output: Which.
            query: By id it looks at `id_column`, by place at source, path and offset.
            id_column: Where ids stand.
            columns: What to return; all but the texts by default.
        """
        found: list[Found] = []
        for name, path in self._files(manifest, output, ".parquet"):
            try:
                names = pq.read_schema(path).names
                wanted = [column for column in names if column in columns or (not columns and column != "text")]
                numbers = _matching(path, query, id_column, names)
                if numbers:
                    rows = take_rows(path, numbers, wanted).to_pylist()
                    found += [Found(name, number, row) for number, row in zip(numbers, rows, strict=True)]
            except (OSError, pa.ArrowInvalid) as error:
                self._missed(manifest, output, name, error)
        return found

    def file(self, collect: Manifest, source: str, path: str) -> LedgerRow | None:
        """Returns what the ledger that `collect` read says of the file that a document lies in; None if nothing.

        Args:
            collect: The artifact.
            source: Of the document.
            path: Of the document: the file's own, or that of a member of an archive.
        """
        steps = path.split(MEMBER)
        paths = {MEMBER.join(steps[:count]) for count in range(1, len(steps) + 1)}
        # Most lines are told apart without reading them as JSON: a ledger may have millions.
        marks = [json.dumps(one, ensure_ascii=False).encode() for one in paths]
        inside: list[LedgerRow] = []
        for read in collect.inputs:
            found = self._store.manifest(read.node, read.version)
            ledger = found if isinstance(found, Manifest) else None
            for name, place in self._files(ledger, read.output, ".jsonl"):
                try:
                    with place.open("rb") as lines:
                        rows = (json.loads(line) for line in lines if any(mark in line for mark in marks))
                        inside += [row for row in rows if row["source"] == source and row["path"] in paths]
                except (OSError, ValueError) as error:
                    self._missed(ledger, read.output, name, error)
        return max(inside, key=lambda row: len(row["path"]), default=None)

    def _files(self, manifest: Manifest | None, output: str, suffix: str) -> Iterator[tuple[str, Path]]:
        if manifest is not None and output in manifest.outputs:
            for file in manifest.outputs[output].files:
                if file.name.endswith(suffix):
                    yield file.name, self._store.objects.path(file.digest)

    def _missed(self, manifest: Manifest | None, output: str, name: str, error: Exception) -> None:
        place = f"{manifest.node}.{output}/{name}" if manifest else name
        line = f"{place} cannot be read ({type(error).__name__}): `nightmill verify` says what is damaged"
        if line not in self.unreadable:
            self.unreadable.append(line)


def _matching(path: Path, query: Query, id_column: str, names: Sequence[str]) -> list[int]:
    if query.id:
        if id_column not in names:
            return []

        def by_id(table: pa.Table) -> Any:
            ids = table[id_column]
            return pc.equal(ids, query.id) if len(query.id) == ID_DIGITS else pc.starts_with(ids, query.id)

        return find_rows(path, [id_column], by_id, between=(id_column, query.id, query.id + "g"))
    number = "offset" if "offset" in names else "line"
    if not {"source", "path", number} <= set(names):
        return []

    def by_place(table: pa.Table) -> Any:
        here = pc.equal(table["path"], query.path)
        if query.path.endswith("/"):
            here = pc.starts_with(table["path"], query.path)
        here = pc.and_(here, pc.equal(table["source"], query.source))
        if query.offset is None:
            return here
        # A fault of a whole file has line 0; lines count from 1, offsets from 0.
        wanted = [query.offset] if number == "offset" else [0, query.offset + 1]
        return pc.and_(here, pc.is_in(table[number], pa.array(wanted, pa.int64())))

    greatest = query.path + "\U0010ffff" if query.path.endswith("/") else query.path
    return find_rows(path, ["source", "path", number], by_place, between=("path", query.path, greatest))
