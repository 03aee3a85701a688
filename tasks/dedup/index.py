"""All documents of the corpus by number, out of files that are mapped into memory one at a time."""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import StageFailed
from tasks.arrays.utf8 import I64
from tasks.dedup.signatures import KEY, KEYS, LOCATOR

HEADER_BYTES = 1024
"""Most that the header of one of our arrays takes."""

MOST_DOCUMENTS = 2**31 - 1
"""Numbers of documents have 32 bits in memory."""


@dataclass(frozen=True)
class PartFiles:
    """One part of the corpus.

    Attributes:
        name: Of its file of documents.
        digest: Of that file.
        documents: Where it lies.
        rows: How many documents it has.
        files: What `signatures.sign_part` left, by name.
    """

    name: str
    digest: str
    documents: Path | None
    rows: int
    files: dict[str, Path]

    def load(self, name: str) -> npt.NDArray[Any]:
        """Maps one of the part's files into memory.

        That is done for every look-up table of every part anew, so that no more files are open than are looked at:
        therefore without what `numpy.memmap` does besides, which takes ten times as long.

        Raises:
            ValueError: It is no file of an array.
        """
        with self.files[name].open("rb", buffering=0) as file:
            header = file.read(HEADER_BYTES)
            try:
                dtype, shape, offset = _array(header[: 10 + int.from_bytes(header[8:10], "little")])
            except (SyntaxError, TypeError) as error:
                raise ValueError(f"{name} of {self.name} is damaged: {error}") from error
            if 0 in shape:
                return np.zeros(shape, dtype=dtype)
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found: npt.NDArray[Any] = np.ndarray(shape, dtype, content, offset)
        return found


@cache
def _array(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Returns what the header of an `.npy` file says: type and shape of the array, and where it begins."""
    stream = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("arrays have headers of version 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return dtype, shape, stream.tell()


@dataclass(frozen=True)
class Corpus:
    """The documents of all parts, numbered through in the order of the parts.

    Attributes:
        parts: In the order of their names.
        starts: int64[parts + 1], the first document of each part.
    """

    parts: Sequence[PartFiles]
    starts: I64

    @classmethod
    def of(cls, parts: Sequence[PartFiles]) -> Corpus:
        """Numbers the documents of some parts.

        Raises:
            StageFailed: They are too many.
        """
        starts = np.concatenate([[0], np.cumsum([part.rows for part in parts])]).astype(np.int64)
        if starts[-1] > MOST_DOCUMENTS:
            raise StageFailed(
                f"{starts[-1]:,} documents are more than the {MOST_DOCUMENTS:,} that can be compared at once",
                where="dedup",
                hint="split the corpus into pipelines of their own",
            )
        return cls(parts, starts)

    @property
    def size(self) -> int:
        return int(self.starts[-1])

    def in_parts(self, documents: npt.NDArray[np.integer[Any]]) -> Iterator[tuple[int, slice, I64]]:
        """Yields the parts that hold any of some ascending documents, which of them these are, and their rows there."""
        places = np.searchsorted(documents, self.starts)
        for part in range(len(self.parts)):
            if places[part] < places[part + 1]:
                here = slice(int(places[part]), int(places[part + 1]))
                yield part, here, documents[here].astype(np.int64) - self.starts[part]

    def column(self, name: str) -> npt.NDArray[Any]:
        """Returns one field of `KEY` of all documents."""
        found = [self.parts[part].load(KEYS)[name].copy() for part in range(len(self.parts))]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int32)

    def take(self, name: str, documents: npt.NDArray[np.integer[Any]]) -> npt.NDArray[Any]:
        """Returns one field of `KEY` of some documents, in any order."""
        return self.rows(documents, name)[name]

    def rows(self, documents: npt.NDArray[np.integer[Any]], *names: str) -> npt.NDArray[Any]:
        """Returns some fields of `KEY` of some documents, in any order."""
        order = np.argsort(documents, kind="stable")
        ordered = documents[order]
        found: npt.NDArray[Any] | None = None
        for part, here, rows in self.in_parts(ordered):
            keys = self.parts[part].load(KEYS)[list(names)]
            if found is None:
                found = np.zeros(len(documents), dtype=[(name, keys.dtype[name]) for name in names])
            taken = keys[rows]
            for name in names:
                found[name][order[here]] = taken[name]
        return found if found is not None else _no_rows(names)

    def origins(self, documents: npt.NDArray[np.integer[Any]]) -> pa.Table:
        """Reads id, source, path and offset of ascending documents."""
        columns = ["id", *LOCATOR]
        found = []
        for part, _, rows in self.in_parts(documents):
            path = self.parts[part].documents
            assert path is not None, "documents of tonight lie in files"
            found.append(pq.read_table(path, columns=columns).take(rows))
        return pa.concat_tables(found)


def _no_rows(names: Sequence[str]) -> npt.NDArray[Any]:
    return np.zeros(0, dtype=[(name, KEY[name]) for name in names])
