"""What an earlier build knows, in tonight's numbers: which documents it compared, and the clusters it found.

An artifact keeps the index it was made with: the tables of every part and a record of the documents that share their
cluster with another. Documents that it knows need not be compared with one another again. Where one of a cluster is
gone, the others might not belong together any more: they are compared anew. So what comes out is the same with an index
as without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import DamagedArtifact
from tasks.arrays.utf8 import I64, Bools
from tasks.dedup.index import Corpus, PartFiles
from tasks.dedup.signatures import KEYS
from tasks.engine.stage import InputFile, InputOutput

PARTS = "index/parts.json"
MEMBERS = "index/members.npy"

MEMBER = np.dtype(
    [
        ("number", "<i4"),  # of a document that shares its cluster with another
        ("root", "<i4"),  # of its tree
        ("above", "<i4"),  # the root that its own was joined to, -1 for a root; see `comparing.unite`
        ("since", "<i4"),  # the day when it was, 0 for a root
        ("earliest", "<i4"),  # of its cluster
        ("row", "<i4"),  # in the table of duplicates, -1 for the one that stays
        ("founder", "?"),
        ("copy", "?"),  # see `buckets.Buckets`
    ]
)
"""A record of the index, sorted by number."""

MOST_CHANGED = 0.5
"""Share of the documents in parts that changed, above which all is compared anew: that needs less memory."""


@dataclass(frozen=True)
class Earlier:
    """What is known before anything is compared.

    Attributes:
        fresh: bool[documents], those that must be compared with all others.
        members: `MEMBER` records of clusters that are whole still, in tonight's numbers.
        duplicates: The earlier table of duplicates, None if there is none.
    """

    fresh: Bools
    members: npt.NDArray[Any]
    duplicates: Path | None


def nothing_known(corpus: Corpus) -> Earlier:
    """Returns what is known without an earlier build."""
    return Earlier(np.ones(corpus.size, dtype=bool), np.zeros(0, dtype=MEMBER), None)


def describe_parts(corpus: Corpus) -> str:
    """Returns what `PARTS` holds."""
    return json.dumps([[part.name, part.digest, part.rows] for part in corpus.parts])


def read_earlier(earlier: Mapping[str, InputOutput] | None, corpus: Corpus) -> Earlier:
    """Brings the latest artifact's index into tonight's numbers.

    Args:
        earlier: Outputs of the latest artifact of this node, and its `diagnostics`, if there is one.
        corpus: Tonight's documents.
    """
    if earlier is None:
        return nothing_known(corpus)
    files = {file.stored.name: file for file in earlier["diagnostics"].files}
    try:
        before = Corpus.of(
            [
                PartFiles(name, digest, None, rows, {KEYS: _path(files, f"index/{name}/{KEYS}")})
                for name, digest, rows in json.loads(_path(files, PARTS).read_text())
            ]
        )
        members = np.load(_path(files, MEMBERS), allow_pickle=False)
        duplicates = earlier["duplicates"].files[0].path
        return _translated(before, members, duplicates, corpus)
    except (DamagedArtifact, KeyError, ValueError):
        return nothing_known(corpus)  # an index saves work; it is never needed


def _path(files: Mapping[str, InputFile], name: str) -> Path:
    return files[name].path


def _translated(before: Corpus, members: npt.NDArray[Any], duplicates: Path, corpus: Corpus) -> Earlier:
    if members.dtype != MEMBER:
        return nothing_known(corpus)
    fresh = np.ones(corpus.size, dtype=bool)
    now = np.full(len(members), -1, dtype=np.int64)
    unchanged = _unchanged(before, corpus)
    changed = sorted(set(range(len(corpus.parts))) - set(unchanged.values()))
    sizes = np.diff(corpus.starts)
    if sizes[changed].sum() > MOST_CHANGED * corpus.size:
        return nothing_known(corpus)
    known = _Lookup.of(corpus, changed)
    for part in range(len(before.parts)):
        begin, end = (int(bound) for bound in before.starts[part : part + 2])
        here = slice(*np.searchsorted(members["number"], [begin, end]).tolist())
        rows = members["number"][here].astype(np.int64) - begin
        if part in unchanged:
            start = int(corpus.starts[unchanged[part]])
            fresh[start : start + end - begin] = False
            now[here] = rows + start
        elif end > begin:
            numbers = known.take(before.parts[part].load(KEYS)["document"])
            fresh[numbers[numbers >= 0]] = False
            now[here] = numbers[rows]
    return _whole_clusters(members, now, fresh, duplicates)


def _whole_clusters(members: npt.NDArray[Any], now: I64, fresh: Bools, duplicates: Path) -> Earlier:
    """Leaves out the clusters that lost a document; what is left of them is fresh."""
    roots, cluster = np.unique(members["root"], return_inverse=True)
    broken = np.zeros(len(roots), dtype=bool)
    broken[cluster[now < 0]] = True
    lost = broken[cluster]
    fresh[now[lost & (now >= 0)]] = True
    kept = members[~lost].copy()
    numbers = members["number"]

    def translate(documents: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.where(documents < 0, -1, now[np.searchsorted(numbers, np.maximum(documents, 0))])

    for name in ("root", "above", "earliest", "number"):
        kept[name] = translate(kept[name])
    return Earlier(fresh, kept[np.argsort(kept["number"])], duplicates)


def _unchanged(before: Corpus, corpus: Corpus) -> dict[int, int]:
    """Returns for earlier parts those of tonight that have the same bytes."""
    tonight: dict[str, list[int]] = {}
    for number, part in enumerate(corpus.parts):
        tonight.setdefault(part.digest, []).append(number)
    found = {}
    for number, part in enumerate(before.parts):
        if tonight.get(part.digest):
            found[number] = tonight[part.digest].pop(0)
    return found


@dataclass
class _Lookup:
    """Finds tonight's documents by what decides of them, each once."""

    digests: npt.NDArray[Any]
    numbers: I64
    taken: Bools

    @classmethod
    def of(cls, corpus: Corpus, parts: list[int]) -> _Lookup:
        digests = [np.zeros((0, 2), dtype=np.uint64)]
        numbers = [np.zeros(0, dtype=np.int64)]
        for part in parts:
            digests.append(corpus.parts[part].load(KEYS)["document"].copy())
            numbers.append(np.arange(corpus.starts[part], corpus.starts[part + 1]))
        found = np.concatenate(digests)
        order = np.argsort(found[:, 0], kind="stable")
        return cls(found[order], np.concatenate(numbers)[order], np.zeros(len(order), dtype=bool))

    def take(self, digests: npt.NDArray[Any]) -> I64:
        """Returns the numbers of documents, -1 for those that are not there."""
        found = np.full(len(digests), -1, dtype=np.int64)
        if not len(self.digests):
            return found
        places = np.searchsorted(self.digests[:, 0], digests[:, 0])
        inside = places < len(self.digests)
        places[~inside] = 0
        same = inside & (self.digests[places] == digests).all(axis=1) & ~self.taken[places]
        # A document that is there twice is found once: the other counts as fresh, which costs work and is never wrong.
        _, first = np.unique(places, return_index=True)
        once = np.zeros(len(places), dtype=bool)
        once[first] = True
        chosen = same & once
        self.taken[places[chosen]] = True
        found[chosen] = self.numbers[places[chosen]]
        return found
