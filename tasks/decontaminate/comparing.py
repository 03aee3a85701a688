"""Which n-grams of train any evaluation set holds: of what an earlier build compared, only what is new is compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.errors import DamagedArtifact
from tasks.arrays.utf8 import I64
from tasks.decontaminate import ordered
from tasks.decontaminate.index import Segment
from tasks.decontaminate.matching import find_shared, held_by, inside
from tasks.decontaminate.sets import Evaluated
from tasks.engine.stage import Context, InputFile, StoredFile

COMPARED, SHARED = "compared.json", "shared.npy"

PLACE = np.dtype([("shard", "<u4"), ("segment", "<u4"), ("place", "<u4")])
"""A shared n-gram: its place in a segment of a shard's index."""


@dataclass(frozen=True)
class Compared:
    """What an earlier build compared.

    Attributes:
        shards: By digest of the shard, the places in each segment of its index.
        names: Of the shards, by digest.
        evaluations: (kind, digest) of the evaluation files.
    """

    shards: Mapping[str, Mapping[int, I64]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    evaluations: frozenset[tuple[str, str]] = frozenset()

    def holds(self, shard: StoredFile) -> bool:
        """Tells whether there was a shard of this name and these bytes."""
        return self.names.get(shard.digest) == shard.name

    @classmethod
    def read(cls, files: Mapping[str, InputFile]) -> Compared:
        """Reads the earlier build's diagnostics; nothing of them is needed."""
        try:
            record = json.loads(files[COMPARED].path.read_text(encoding="utf-8"))
            places = np.load(files[SHARED].path, allow_pickle=False)
            bounds = np.searchsorted(places["shard"], np.arange(len(record["shards"]) + 1)).tolist()
            shards = {
                digest: _by_segment(places[bounds[number] : bounds[number + 1]])
                for number, (_, digest) in enumerate(record["shards"])
            }
            names = {digest: name for name, digest in record["shards"]}
            return cls(shards, names, frozenset((kind, digest) for kind, digest in record["evaluations"]))
        except (DamagedArtifact, KeyError, ValueError):
            return cls()


def _by_segment(places: np.ndarray) -> dict[int, I64]:
    segments = np.unique(places["segment"]).tolist()
    return {number: places["place"][places["segment"] == number].astype(np.int64) for number in segments}


def compare(
    train: Sequence[tuple[str, Sequence[Segment]]], evaluated: Sequence[Evaluated], known: Compared
) -> list[list[I64]]:
    """Returns for each shard, segment by segment of its index, the places of the n-grams that evaluation sets hold.

    Args:
        train: Digest and index of each shard.
        evaluated: The files of evaluation text.
        known: What need not be compared.
    """
    found: list[list[I64]] = [[np.zeros(0, dtype=np.int64) for _ in segments] for _, segments in train]
    new = [one for one in evaluated if (one.kind, one.file.stored.digest) not in known.evaluations]
    gone = known.evaluations - {(one.kind, one.file.stored.digest) for one in evaluated}
    every = [segment for one in evaluated for segment in one.segments]
    for is_known in (False, True):
        places = [
            (shard, number)
            for shard, (digest, segments) in enumerate(train)
            if (digest in known.shards) == is_known
            for number in range(len(segments))
        ]
        segments = [train[shard][1][number] for shard, number in places]
        against = [segment for one in new for segment in one.segments] if is_known else every
        shared = find_shared([one.open for one in segments], [one.open for one in against])
        if is_known:
            before = [known.shards[train[shard][0]].get(number, np.zeros(0, np.int64)) for shard, number in places]
            if gone:
                grams = [one.open()[at] for one, at in zip(segments, before, strict=True)]
                asked = ordered.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *grams]))
                still = asked[held_by(asked, [one.open for one in every])]
                before = [at[inside(found_here, still)] for at, found_here in zip(before, grams, strict=True)]
            shared = [np.union1d(*pair) for pair in zip(before, shared, strict=True)]
        for (shard, number), at in zip(places, shared, strict=True):
            found[shard][number] = at
    return found


def keep_compared(
    context: Context, train: Sequence[StoredFile], evaluated: Sequence[Evaluated], shared: Sequence[Sequence[I64]]
) -> None:
    """Leaves what was compared for the next build, as diagnostics."""
    sizes = [(shard, number, len(at)) for shard, found in enumerate(shared) for number, at in enumerate(found)]
    places = np.empty(sum(size for _, _, size in sizes), dtype=PLACE)
    begin = 0
    for shard, number, size in sizes:
        here = places[begin : begin + size]
        here["shard"], here["segment"], here["place"] = shard, number, shared[shard][number]
        begin += size
    np.save(context.folder / SHARED, places, allow_pickle=False)
    record = {
        "shards": [[one.name, one.digest] for one in train],
        "evaluations": [[one.kind, one.file.stored.digest] for one in evaluated],
    }
    (context.folder / COMPARED).write_text(json.dumps(record), encoding="utf-8")
    for name in (COMPARED, SHARED):
        context.add_diagnostic(name, context.folder / name)
