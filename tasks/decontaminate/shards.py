"""One shard of train without what evaluation sets say: read again only where its index says there is something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import SHARDED
from tasks.decontaminate import kernels
from tasks.decontaminate.cutting import Remainder, Span, cut, merge, widen
from tasks.decontaminate.grams import Grams, Length, batches, find_grams
from tasks.decontaminate.index import length_of
from tasks.decontaminate.kernels import I64, U8, U32, U64
from tasks.decontaminate.matching import inside
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import TableWriter, iterate_tables

LEAST_LEFT = 0.5
"""A document that keeps a smaller share of its tokens once the sentences hit are cut is a torso: it is dropped."""

WANTED = pa.schema([pa.field("gram", pa.uint64(), nullable=False), pa.field("tokens", pa.large_string())])
"""Rows of the file that says what to cut from a shard, sorted by both."""

WINDOWS = pa.schema(
    [
        *[SHARDED.field(name) for name in ("id", "source", "path", "offset", "language")],
        pa.field("gram", pa.uint64(), nullable=False),
        pa.field("begin", pa.int64(), nullable=False),  # characters of the text before it was cut
        pa.field("end", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),  # of the document's tokens that were hit
        pa.field("action", pa.string(), nullable=False),  # cut | dropped
    ]
)
"""Rows of `windows.parquet`: every n-gram of an evaluation set found in a shard."""


@dataclass(frozen=True)
class Wanted:
    """What to cut: n-grams by hash, and the tokens that confirm them."""

    grams: U64
    points: U32
    starts: I64
    bits: U8

    @classmethod
    def load(cls, path: Path) -> Self:
        table = pq.read_table(path)
        tokens = table["tokens"].to_pylist()
        starts = np.concatenate([[0], np.cumsum([len(one) for one in tokens])]).astype(np.int64)
        points = np.frombuffer("".join(tokens).encode("utf-32-le"), dtype=np.uint32)
        grams = np.array(table["gram"])
        return cls(grams, points, starts, kernels.remainders(grams))

    def places_in(self, found: Grams) -> I64:
        """Returns which n-grams are wanted: by hash, then by their tokens."""
        places = kernels.among(found.values, self.grams, self.bits)
        points, starts = found.folded(places)
        sure = kernels.confirmed(found.values[places], points, starts, self.grams, self.points, self.starts)
        return places[sure]


@dataclass
class Hit:
    """A document that holds something wanted, and what is left of it.

    Attributes:
        row: Its row in the batch.
        text: As it was.
        tokens: How many it had.
        hit_tokens: How many were hit, also in what was left after a first cut.
        windows: N-grams found: hash, first character in `text`, one past the last.
        spans: What is cut from `text`.
        left: What is left.
        left_tokens: Its tokens.
    """

    row: int
    text: str
    tokens: int
    hit_tokens: int = 0
    windows: list[tuple[int, int, int]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    left: Remainder = field(init=False)
    left_tokens: int = 0

    def __post_init__(self) -> None:
        self.left = Remainder(self.text, [(0, 0)])

    @property
    def share(self) -> float:
        return min(1.0, self.hit_tokens / self.tokens)

    def goes(self, max_share: float) -> bool:
        """Tells whether the document is dropped rather than cut."""
        return self.share > max_share or self.left_tokens < max(1, LEAST_LEFT * self.tokens)

    def cut(self, found: Grams, number: int, places: I64) -> None:
        """Cuts more from what is left: some n-grams of text `number` of `found`, which is what is left."""
        data = found.data[found.starts[number] : found.starts[number + 1]]
        characters = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])  # before each byte
        begins, ends = (characters[one - found.starts[number]].tolist() for one in found.stretches(places))
        firsts = found.firsts[places]
        self.hit_tokens += _covered(firsts, firsts + found.sizes[places])
        for gram, begin, end in zip(found.values[places].tolist(), begins, ends, strict=True):
            begin, end = self.left.original(begin), self.left.original(end - 1) + 1
            self.windows.append((gram, begin, end))
            self.spans.append(widen(self.text, (begin, end)))
        self.spans = merge(self.spans)
        self.left = cut(self.text, self.spans)


def _covered(begins: I64, ends: I64) -> int:
    """Returns how many numbers some ranges cover together."""
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    return int((ends - np.maximum(begins, np.concatenate([begins[:1], ends[:-1]]))).clip(0).sum())


def cut_shard(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the shard under its name, `windows.parquet`, and `joints.npy`: n-grams that cutting made.

    Where two pieces meet there are n-grams that stood nowhere before, and may stand in an evaluation set.

    Returns the documents that were cut and dropped, by source and language, and the rows that are left.
    """
    file = part.files[0]
    parameters = part.parameters
    length = length_of(part)
    wanted = Wanted.load(Path(part.execution["wanted"]))
    figures: dict[str, dict[str, dict[str, int]]] = {}
    joints = [np.zeros(0, dtype=np.uint64)]
    target = folder / file.stored.name
    writer = TableWriter(
        target, SHARDED, rows_per_group=parameters["row_group_rows"], bytes_per_group=parameters["row_group_bytes"]
    )
    with writer, TableWriter(folder / "windows.parquet", WINDOWS) as windows:
        for group in iterate_tables(file.path, SHARDED.names):
            for table in batches(group, "text"):
                hits, new = _cut_all(table, wanted, length, parameters["max_share"])
                joints.append(new)
                texts: dict[int, str | None] = {}
                for hit in hits:
                    dropped = hit.goes(parameters["max_share"])
                    texts[hit.row] = None if dropped else hit.left.text
                    document = table.slice(hit.row, 1).select(_DOCUMENT).to_pylist()[0]
                    document |= {"share": hit.share, "action": "dropped" if dropped else "cut"}
                    windows.write_rows(
                        [document | {"gram": gram, "begin": begin, "end": end} for gram, begin, end in hit.windows]
                    )
                    counts = figures.setdefault(document["source"], {}).setdefault(document["language"], {})
                    counts[document["action"]] = counts.get(document["action"], 0) + 1
                writer.write(_altered(table, texts))
    if not writer.rows:
        target.unlink()
    np.save(folder / "joints.npy", np.unique(np.concatenate(joints)), allow_pickle=False)
    return {"documents": figures, "rows": writer.rows}


def _cut_all(table: pa.Table, wanted: Wanted, length: Length, max_share: float) -> tuple[list[Hit], U64]:
    """Cuts until nothing wanted is left; returns the documents hit, and what n-grams this made in those that stay."""
    found = find_grams(table["text"], length, whole=False)
    places = wanted.places_in(found)
    rows = np.unique(found.texts_of(places))
    tokens = np.diff(found.before)
    texts = table["text"].take(pa.array(rows)).to_pylist()
    hits = [Hit(row, text, int(tokens[row])) for row, text in zip(rows.tolist(), texts, strict=True)]
    if not hits:
        return [], np.zeros(0, dtype=np.uint64)
    for hit in hits:
        hit.left = Remainder(hit.text, [(0, 0)])
    standing = np.sort(found.values)
    texts_of_hits = rows
    while len(places):
        owners = np.searchsorted(texts_of_hits, found.texts_of(places))
        for number in np.unique(owners).tolist():
            begin, end = np.searchsorted(owners, [number, number + 1])
            hits[number].cut(found, int(texts_of_hits[number]), places[begin:end])
        found = find_grams(pa.array([hit.left.text for hit in hits], pa.large_string()), length, whole=False)
        places = wanted.places_in(found)
        texts_of_hits = np.arange(len(hits))
    for hit, left in zip(hits, np.diff(found.before).tolist(), strict=True):
        hit.left_tokens = left
    stays = np.array([not hit.goes(max_share) for hit in hits])
    made = found.values[np.repeat(stays, np.diff(found.ahead))]
    return hits, np.unique(made[~inside(made, standing)])


def _altered(table: pa.Table, texts: Mapping[int, str | None]) -> pa.Table:
    """Returns a table with other texts in some rows, and without those that get none."""
    if not texts:
        return table
    new = table["text"].to_pylist()
    for row, text in texts.items():
        new[row] = text
    column = pa.array(new, pa.large_string())
    place = table.schema.get_field_index("text")
    return table.set_column(place, SHARDED.field("text"), column).filter(pc.is_valid(column))


_DOCUMENT = ["id", "source", "path", "offset", "language"]
