"""What is measured of one shard file. Texts are read a row group at a time and never leave this module.

Left as files of the part, so that a night measures new shards only: a row of numbers for each document, its identities,
its sketch; and, as figures, what the file is like.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import SHARDED
from tasks.arrays.utf8 import I32, I64, U8, U32, U64
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, batches
from tasks.validate import kernel, residue
from tasks.validate.profile import Profile, bins

DOCUMENTS = "documents.parquet"
IDENTITIES = "identities.npy"
SKETCHES = "sketches.npy"

CHARACTER_LANGUAGES = ("zh",)
"""Languages whose shingles are of characters, having no spaces between words."""

LOOKED_AT = ["id", "source", "language", "text", "cluster"]

BATCH_BYTES = 4 << 20
"""Text whose shingles are held at a time: 8 bytes for each of its bytes at most."""

MEASURED = pa.schema(
    [
        pa.field("characters", pa.int32()),
        pa.field("replacement_share", pa.float32()),
        *(pa.field(kind, pa.int32()) for kind in residue.KINDS),
    ]
)
"""Rows of `DOCUMENTS`, in the order of the shard."""

IDENTITY = np.dtype([("id", "<u8", (2,)), ("cluster", "<u8", (2,))])
"""Both as numbers of 128 bits, upper half first; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Shingling:
    """Tokens in a shingle."""

    words: int
    characters: int


def measure_part(part: Part, folder: Path) -> dict[str, JSON]:
    """Measures one shard file.

    Returns:
        `rows`; `faults`, what is wrong with its columns, each in words: then nothing else is measured; `nulls` by
        column; and `profile`.
    """
    path = part.files[0].path
    found = schema_faults(pq.read_schema(path))
    if found:
        return {"faults": found, "rows": int(pq.read_metadata(path).num_rows), "nulls": {}, "profile": {}}
    shingling = Shingling(part.parameters["words"], part.parameters["characters"])
    rows = int(pq.read_metadata(path).num_rows)
    identities = np.zeros(rows, dtype=IDENTITY)
    sketches = np.zeros((rows, kernel.SKETCH), dtype=np.uint32)
    nulls = count_nulls(path)
    profile: Profile = {}
    row = 0
    with TableWriter(folder / DOCUMENTS, MEASURED) as writer:
        for table in _row_groups(path, LOOKED_AT):
            here = slice(row, row + table.num_rows)
            identities["id"][here] = numbered(table["id"])
            identities["cluster"][here] = numbered(table["cluster"])
            row = here.stop
            measured = _measured(table, shingling, sketches[here])
            writer.write(measured)
            _count(profile, table, measured)
    np.save(folder / IDENTITIES, identities, allow_pickle=False)
    np.save(folder / SKETCHES, sketches, allow_pickle=False)
    return {"faults": [], "rows": rows, "nulls": dict(sorted(nulls.items())), "profile": profile}


def _row_groups(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """Yields row groups, read in this thread: decoding a few columns in parallel costs half as much CPU time again."""
    with pq.ParquetFile(path, memory_map=True) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns, use_threads=False)


def count_nulls(path: Path) -> Counter[str]:
    """Returns the missing values of each column that has any: as stated beside each row group, or counted."""
    found: Counter[str] = Counter()
    with pq.ParquetFile(path, memory_map=True) as file:
        for group in range(file.num_row_groups):
            for number in range(file.metadata.num_columns):
                column = file.metadata.row_group(group).column(number)
                name = column.path_in_schema
                if column.statistics is not None and column.statistics.has_null_count:
                    found[name] += column.statistics.null_count
                else:
                    found[name] += file.read_row_group(group, columns=[name])[name].null_count
    return +found


def schema_faults(schema: pa.Schema) -> list[str]:
    """Returns in words where the columns of a shard file are not those of SHARDED rows."""
    found = [f"{name} is missing" for name in SHARDED.names if name not in schema.names]
    found += [f"{name} is unknown" for name in schema.names if name not in SHARDED.names]
    for field in SHARDED:
        places = schema.get_all_field_indices(field.name)
        found += [
            f"{field.name} is {schema.field(place).type}, not {field.type}"
            for place in places
            if schema.field(place).type != field.type
        ]
        if len(places) > 1:
            found.append(f"{field.name} stands there {len(places)} times")
    return found


def numbered(names: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Returns identities as uint64[n, 2]: 32 hex digits as the number they are, anything else by its digest."""
    series = pl.Series(names)
    halves = [series.str.slice(start, 16).str.to_integer(base=16, dtype=pl.UInt64, strict=False) for start in (0, 16)]
    numbers = np.stack([half.fill_null(0).to_numpy() for half in halves], axis=1)
    strange = ~series.str.contains("^[0-9a-f]{32}$").fill_null(False)
    for row in np.flatnonzero(strange.to_numpy()):
        name = series[int(row)]
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest() if name is not None else bytes(16)
        numbers[row] = np.frombuffer(digest, dtype=np.uint64)
    return numbers


def shingle_sets(table: pa.Table, shingling: Shingling) -> list[U64]:
    """Returns the set of shingles of each text, sorted."""
    found = []
    for batch in batches(table, "text", BATCH_BYTES):
        size = int(pc.sum(pc.binary_length(batch["text"])).as_py() or 0) + batch.num_rows
        shingles = np.empty(size, dtype=np.uint64)
        sketches = np.zeros((batch.num_rows, kernel.SKETCH), dtype=np.uint32)
        offsets = _scanned(batch, shingling, sketches, shingles)[0]
        found += [np.unique(shingles[offsets[row] : offsets[row + 1]]) for row in range(batch.num_rows)]
    return found


def _scanned(table: pa.Table, shingling: Shingling, sketches: U32, shingles: U64) -> tuple[I64, I32, I32, U8]:
    """Returns offsets into `shingles`, lengths, numbers of U+FFFD and marks; see `kernel.scan`."""
    column = table["text"] if not table["text"].null_count else pc.fill_null(table["text"], "")
    # One chunk, as a row group is, is taken as it is: texts are most of what there is, and copying them costs as much
    # as reading them.
    texts = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    by_character = np.asarray(pc.is_in(table["language"], pa.array(CHARACTER_LANGUAGES, pa.string())))
    lengths = np.zeros(len(texts), dtype=np.int32)
    replaced = np.zeros(len(texts), dtype=np.int32)
    marks = np.zeros(len(texts), dtype=np.uint8)
    found = kernel.scan(
        content,
        starts,
        by_character,
        kernel.letters(),
        kernel.ascii_classes(),
        shingling.words,
        shingling.characters,
        sketches,
        lengths,
        replaced,
        marks,
        shingles,
    )
    return found, lengths, replaced, marks


def _measured(table: pa.Table, shingling: Shingling, sketches: U32) -> pa.Table:
    none = np.zeros(0, dtype=np.uint64)
    _, lengths, replaced, marks = _scanned(table, shingling, sketches, none)
    columns: dict[str, Any] = {
        "characters": lengths,
        "replacement_share": (replaced / np.maximum(lengths, 1)).astype(np.float32),
    }
    return pa.table(columns | residue.count(pl.Series(table["text"]), marks), schema=MEASURED)


def _count(profile: Profile, table: pa.Table, measured: pa.Table) -> None:
    frame = pl.DataFrame(
        {
            "source": pl.Series(table["source"]).fill_null(""),
            "language": pl.Series(table["language"]).fill_null(""),
            "bin": bins(measured["characters"].to_numpy()),
        }
    )
    for source, language, bound, count in frame.group_by("source", "language", "bin").len().sort(pl.all()).iter_rows():
        lengths = profile.setdefault(source, {}).setdefault(language, {})
        lengths[str(bound)] = lengths.get(str(bound), 0) + count


def load(paths: Sequence[Path]) -> list[Any]:
    """Maps the arrays of several parts into memory."""
    return [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]


def read_sketches(sketches: Path, identities: Path) -> tuple[U32, U64]:
    """Reads the sketches of a part, and the upper halves of its ids."""
    ids = np.load(identities, allow_pickle=False)["id"]
    return np.load(sketches, allow_pickle=False), np.ascontiguousarray(ids[:, 0])
