"""One shard of train without what evaluation sets say: read again only where its index says there is something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import SHARDED
from tasks.arrays.utf8 import I64, U8, U64
from tasks.decontaminate import kernels
from tasks.decontaminate.cutting import Remainder, Span, cut, merge, widen
from tasks.decontaminate.grams import BATCH_BYTES, Grams, Length, find_grams
from tasks.decontaminate.index import length_of
from tasks.decontaminate.matching import without
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import SMALL_LEVEL, TableWriter, batches, iterate_tables

LEAST_LEFT = 0.5
"""A document that keeps a smaller share of its tokens once the sentences hit are cut is a torso: it is dropped."""

WANTED = pa.schema(
    [pa.field("gram", pa.uint64(), nullable=False), pa.field("tokens", pa.large_binary(), nullable=False)]
)
"""Rows of the file that says what to cut from a shard, sorted by both: n-grams, and the hashes of their tokens."""

WINDOWS = pa.schema(
    [
        pa.field("document", pa.int64(), nullable=False),  # row of `documents.parquet`
        pa.field("gram", pa.uint64(), nullable=False),
        pa.field("begin", pa.int64(), nullable=False),  # characters of the text before it was cut
        pa.field("end", pa.int64(), nullable=False),
    ]
)
"""Rows of `windows.parquet`: every n-gram of an evaluation set found in a shard."""

HIT_DOCUMENTS = pa.schema(
    [
        *[SHARDED.field(name) for name in ("id", "source", "path", "offset", "language")],
        pa.field("share", pa.float64(), nullable=False),  # of the document's tokens that were hit
        pa.field("action", pa.string(), nullable=False),  # cut | dropped
    ]
)
"""Rows of `documents.parquet`: the documents of a shard that were hit."""


@dataclass(frozen=True)
class Wanted:
    """What to cut: n-grams by hash, and the tokens that confirm them."""

    grams: U64
    tokens: U64
    starts: I64
    bits: U8

    @classmethod
    def load(cls, path: Path) -> Self:
        table = pq.read_table(path)
        tokens = table["tokens"].to_pylist()
        starts = np.concatenate([[0], np.cumsum([len(one) // 8 for one in tokens])]).astype(np.int64)
        grams = np.array(table["gram"])
        return cls(grams, np.frombuffer(b"".join(tokens), dtype=np.uint64), starts, kernels.remainders(grams))

    def places_in(self, found: Grams) -> I64:
        """Returns which n-grams are wanted: by hash, then by their tokens."""
        places, rows = kernels.among(found.values, self.grams, self.bits)
        sure = kernels.confirmed(
            found.firsts[places], found.sizes[places], found.hashes, rows, self.grams, self.tokens, self.starts
        )
        return places[sure]


@dataclass
class Hit:
    """A document that holds something wanted, and what is left of it.

    Attributes:
        row: Its row in the batch.
        text: As it was.
        tokens: How many it had.
        hit_tokens: How many were hit, also in what was left after a first cut.
        spans: What is cut from `text`.
        left: What is left.
        left_tokens: Its tokens.
    """

    row: int
    text: str
    tokens: int
    hit_tokens: int = 0
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

    def cut(self, runs: Sequence[Span]) -> None:
        """Cuts some stretches of what is left."""
        original = self.left.original
        found = [widen(self.text, (original(begin), original(end - 1) + 1)) for begin, end in runs]
        self.spans = merge([*self.spans, *found])
        self.left = cut(self.text, self.spans)


def cut_shard(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the shard under its name, `documents.parquet`, `windows.parquet`, and `joints.npy`.

    Joints are n-grams that cutting made: where two pieces meet there are n-grams that stood nowhere before, and may
    stand in an evaluation set.

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
        target,
        SHARDED,
        rows_per_group=parameters["row_group_rows"],
        bytes_per_group=parameters["row_group_bytes"],
        level=SMALL_LEVEL,
    )
    with (
        writer,
        TableWriter(folder / "windows.parquet", WINDOWS) as windows,
        TableWriter(folder / "documents.parquet", HIT_DOCUMENTS) as documents,
    ):
        for group in iterate_tables(file.path, SHARDED.names):
            for table in batches(group, "text", BATCH_BYTES):
                hits, found, new = _cut_all(table, wanted, length, parameters["max_share"])
                if hits:
                    joints.append(new)
                    first = pa.scalar(documents.rows, pa.int64())
                    place = found.schema.get_field_index("document")
                    windows.write(found.set_column(place, "document", pc.add(found["document"], first)))
                    listed = _documents(table, hits, parameters["max_share"])
                    documents.write(listed)
                    _count(listed, figures)
                    table = _altered(table, hits, parameters["max_share"])
                writer.write(table)
    if not writer.rows:
        target.unlink()
    np.save(folder / "joints.npy", kernels.unique(np.concatenate(joints)), allow_pickle=False)
    return {"documents": figures, "rows": writer.rows}


def _cut_all(table: pa.Table, wanted: Wanted, length: Length, max_share: float) -> tuple[list[Hit], pa.Table, U64]:
    """Cuts until nothing wanted is left.

    Returns the documents hit, the n-grams found (WINDOWS, with the number of the hit for the document), and what
    n-grams cutting made in the documents that stay.
    """
    found = find_grams(table["text"], length, whole=False)
    places = wanted.places_in(found)
    rows = np.unique(found.texts_of(places))
    texts = table["text"].take(pa.array(rows)).to_pylist()
    tokens = np.diff(found.before)[rows].tolist()
    hits = [Hit(row, text, size) for row, text, size in zip(rows.tolist(), texts, tokens, strict=True)]
    windows = []
    if not hits:
        return [], WINDOWS.empty_table(), np.zeros(0, dtype=np.uint64)
    standing = kernels.unique(found.values)
    texts_of_hits = rows
    first_round = True
    while len(places):
        places = places[np.argsort(found.firsts[places], kind="stable")]
        owners = np.searchsorted(texts_of_hits, found.texts_of(places))
        begins, ends = found.characters(places)
        if not first_round:
            begins, ends = _original(hits, owners, begins, ends)
        columns = [pa.array(owners), pa.array(found.values[places]), pa.array(begins), pa.array(ends)]
        windows.append(pa.table(columns, schema=WINDOWS))
        _cut_once(hits, found, places, owners, max_share)
        left = pa.array([hit.left.text for hit in hits], pa.large_string())
        found = find_grams(left, length, whole=False)
        places = wanted.places_in(found)
        texts_of_hits = np.arange(len(hits))
        lost = np.array([hit.share > max_share for hit in hits])
        places = places[~lost[found.texts_of(places)]]
        first_round = False
    for hit, count in zip(hits, np.diff(found.before).tolist(), strict=True):
        hit.left_tokens = count
    stays = np.array([not hit.goes(max_share) for hit in hits])
    made = found.values[np.repeat(stays, np.diff(found.ahead))]
    order = [(name, "ascending") for name in ("document", "begin", "end", "gram")]
    return hits, pa.concat_tables(windows).sort_by(order), without(made, standing)


def _cut_once(hits: Sequence[Hit], found: Grams, places: I64, owners: I64, max_share: float) -> None:
    """Cuts n-grams, ordered by their first tokens, from the hits that own them, unless one of these is to go anyway."""
    firsts = found.firsts[places]
    chosen, finishes = kernels.union(owners, firsts, firsts + found.sizes[places])
    owners, firsts = owners[chosen], firsts[chosen]
    for number, count in enumerate(np.bincount(owners, finishes - firsts, minlength=len(hits)).astype(int).tolist()):
        hits[number].hit_tokens += count
    bounds = np.searchsorted(owners, np.arange(len(hits) + 1)).tolist()
    runs = list(zip(found.begins[firsts].tolist(), found.ends[finishes - 1].tolist(), strict=True))
    for number, hit in enumerate(hits):
        if bounds[number] < bounds[number + 1] and hit.share <= max_share:
            hit.cut(runs[bounds[number] : bounds[number + 1]])


def _original(hits: Sequence[Hit], owners: I64, begins: I64, ends: I64) -> tuple[I64, I64]:
    """Returns where stretches of what is left stood in the texts as they were."""
    originals = [hits[owner].left.original for owner in owners.tolist()]
    first = [original(begin) for original, begin in zip(originals, begins.tolist(), strict=True)]
    last = [original(end - 1) + 1 for original, end in zip(originals, ends.tolist(), strict=True)]
    return np.array(first, dtype=np.int64), np.array(last, dtype=np.int64)


def _documents(table: pa.Table, hits: Sequence[Hit], max_share: float) -> pa.Table:
    columns = table.select(HIT_DOCUMENTS.names[:5]).take(pa.array([hit.row for hit in hits]))
    columns = columns.append_column("share", pa.array([hit.share for hit in hits], pa.float64()))
    actions = ["dropped" if hit.goes(max_share) else "cut" for hit in hits]
    return columns.append_column("action", pa.array(actions, pa.string()))


def _count(documents: pa.Table, figures: dict[str, dict[str, dict[str, int]]]) -> None:
    for row in documents.group_by(["source", "language", "action"]).aggregate([([], "count_all")]).to_pylist():
        counts = figures.setdefault(row["source"], {}).setdefault(row["language"], {})
        counts[row["action"]] = counts.get(row["action"], 0) + row["count_all"]


def _altered(table: pa.Table, hits: Sequence[Hit], max_share: float) -> pa.Table:
    """Returns a table with what is left of the documents hit, and without those that go."""
    mask = np.zeros(table.num_rows, dtype=np.bool_)
    mask[[hit.row for hit in hits]] = True
    new = pa.array([None if hit.goes(max_share) else hit.left.text for hit in hits], pa.large_string())
    column = pc.replace_with_mask(table["text"].combine_chunks(), pa.array(mask), new)
    place = table.schema.get_field_index("text")
    return table.set_column(place, SHARDED.field("text"), column).filter(pc.is_valid(column))
