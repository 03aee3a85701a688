"""Of each cluster, which document stays, what founded it, and why each of the others belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import Interrupted
from schemas.tables import DUPLICATES
from tasks.arrays.utf8 import F64, I32, I64, Bools
from tasks.dedup import comparing
from tasks.dedup.clusters import Clusters, Limits
from tasks.dedup.earlier import MEMBER
from tasks.dedup.index import Corpus
from tasks.dedup.shingles import Shingles
from tasks.dedup.signatures import LOCATOR

Keep = Literal["earliest", "longest", "best"]

BYTES_PER_MEMBER = 1024
"""Held for each document of the clusters that are worked on: its keys, its place and its row in the table."""

COMPARISONS_PER_CLUSTER = 4_000_000
"""To explain by which chain its documents belong together; seconds of work."""

NUMBERED = DUPLICATES.append(pa.field("number", pa.int64(), nullable=False))
"""Rows of duplicates with the number of the document."""


@dataclass(frozen=True)
class Decided:
    """Some clusters.

    Attributes:
        members: `MEMBER` records of their documents, sorted by number; `row` is -1 for what stays and 0 for the others.
        rows: `NUMBERED` rows of the documents that go.
    """

    members: npt.NDArray[Any]
    rows: pa.Table


def decide(
    corpus: Corpus,
    clusters: Clusters,
    shingles: Shingles,
    limits: Limits,
    keep: Keep,
    stopping: Callable[[], bool],
) -> Iterator[Decided]:
    """Yields what becomes of all clusters that have a fresh document, as many at a time as the memory limit allows.

    Raises:
        Interrupted: The run is to stop.
    """
    members = clusters.members()
    roots = clusters.parents[members]
    concerned = np.zeros(corpus.size, dtype=bool)
    concerned[roots[clusters.fresh[members]]] = True
    members = members[concerned[roots]]
    del concerned, roots
    members = members[np.argsort(clusters.parents[members], kind="stable")]
    begins = _begins(clusters.parents[members])
    at_a_time = max(1, limits.memory // BYTES_PER_MEMBER)
    begin = 0
    while begin < len(members):
        if stopping():
            raise Interrupted("stopped between two clusters")
        following = begins[np.searchsorted(begins, begin + at_a_time, side="right") - 1]
        if following <= begin:
            later = begins[begins > begin]
            following = later[0] if len(later) else len(members)
        if begin + at_a_time >= len(members):
            following = len(members)
        yield _decide(corpus, clusters, shingles, limits, keep, np.sort(members[begin:following]))
        begin = int(following)


def _decide(
    corpus: Corpus, clusters: Clusters, shingles: Shingles, limits: Limits, keep: Keep, documents: I32
) -> Decided:
    keys = corpus.rows(documents, "exact", "id", "language", "comparable", "characters", "quality")
    origins = corpus.origins(documents)
    cluster = np.unique(clusters.parents[documents], return_inverse=True)[1]
    days = clusters.days[documents]
    locator = _ranks(pc.sort_indices(origins, [(name, "ascending") for name in LOCATOR]))
    by_id = _ranks(np.lexsort((locator, keys["id"][:, 1], keys["id"][:, 0])))
    scores: dict[str, npt.NDArray[Any]] = {
        "earliest": days,
        "longest": -keys["characters"].astype(np.int64),
        "best": -keys["quality"],
    }
    earliest = _first(cluster, np.lexsort((by_id, days, cluster)))
    order = np.lexsort((by_id, scores[keep], cluster))
    stays = _first(cluster, order)
    links = _linked(keys)
    to_first, via, to_via = _explained(shingles, limits, documents, cluster, order, links, keys)

    groups = comparing.founding_groups(documents, clusters.days, clusters.above, clusters.since)
    founders = np.zeros(len(documents), dtype=bool)
    candidates = np.flatnonzero(groups >= 0)
    ordered = candidates[np.lexsort((by_id[candidates], groups[candidates]))]
    founders[ordered[_begins(groups[ordered])]] = True

    gone = np.flatnonzero(stays != np.arange(len(documents)))
    ids = origins["id"].combine_chunks()
    rows = origins.take(gone)
    found = {
        "kept": ids.take(stays[gone]),
        "cluster": ids.take(earliest[gone]),
        "kind": pa.array(np.where(links[stays[gone]] == links[gone], "exact", "near").tolist(), pa.string()),
        "jaccard": pa.array(to_first[gone]),
        "via": ids.take(via[gone]),
        "via_jaccard": pa.array(to_via[gone]),
        "number": pa.array(documents[gone].astype(np.int64)),
    }
    for name, column in found.items():
        rows = rows.append_column(name, column)
    return Decided(_records(documents, clusters, documents[earliest], founders, gone), rows.cast(NUMBERED))


def _records(documents: I32, clusters: Clusters, earliest: I32, founders: Bools, gone: I64) -> npt.NDArray[Any]:
    records = np.zeros(len(documents), dtype=MEMBER)
    records["number"] = documents
    records["root"] = clusters.parents[documents]
    records["above"] = clusters.above[documents]
    records["since"] = clusters.since[documents]
    records["earliest"] = earliest
    records["row"] = -1
    records["row"][gone] = 0
    records["founder"] = founders
    records["copy"] = clusters.copies[documents]
    return records


def _explained(
    shingles: Shingles, limits: Limits, documents: I32, cluster: I64, order: I64, links: I64, keys: npt.NDArray[Any]
) -> tuple[F64, I64, F64]:
    """Returns for each document its similarity to what stays, and by which document it belongs to it; see `explain`."""
    # One set stands for all documents of one text and language of a cluster, the first of them by the order.
    by_text = np.lexsort((_ranks(order), keys["language"], keys["exact"][:, 1], keys["exact"][:, 0], cluster))
    parts = cluster, keys["exact"][:, 0], keys["exact"][:, 1], keys["language"]
    differs = np.any([part[by_text][1:] != part[by_text][:-1] for part in parts], axis=0)
    starts = np.flatnonzero(np.concatenate([[True], differs]))
    text_of = np.empty(len(documents), dtype=np.int64)
    text_of[by_text] = np.cumsum(np.concatenate([[0], differs]))
    first = by_text[starts]
    in_order = np.argsort(_ranks(order)[first])  # texts, cluster by cluster, the one that stays before the others
    texts = first[in_order]
    place = _ranks(in_order)

    bounds = np.append(_begins(cluster[texts]), len(texts))
    stays = texts[bounds[:-1]][cluster]
    several = np.zeros(int(cluster.max()) + 1, dtype=bool)
    several[cluster[links != links[stays]]] = True
    compared = (several[cluster] & keys["comparable"])[texts]
    # Any document of a text may have its set.
    bearers = by_text[np.lexsort((shingles.sets[documents[by_text]], text_of[by_text]))[_ends(starts, len(by_text))]]
    bearers = bearers[in_order]
    shingles.add(np.sort(documents[bearers[compared]]))
    sets = np.full(len(texts), -1, dtype=np.int64)
    sets[compared] = shingles.sets[documents[bearers[compared]]]

    to_first, via, to_via = np.ones(len(texts)), np.arange(len(texts)), np.ones(len(texts))
    sizes = np.where(sets < 0, 0, shingles.bounds[sets + 1] - shingles.bounds[sets])
    weights = np.add.reduceat(sizes, bounds[:-1])
    begin = 0
    while begin < len(weights):
        end = max(begin + 1, int(np.searchsorted(np.cumsum(weights[begin:]), limits.window)) + begin)
        here = slice(int(bounds[begin]), int(bounds[end]))
        found = comparing.explain(
            bounds[begin : end + 1] - bounds[begin],
            sets[here],
            links[texts[here]],
            shingles.hashes,
            shingles.bounds,
            limits.threshold,
            COMPARISONS_PER_CLUSTER,
        )
        to_first[here], via[here], to_via[here] = found[0], found[1] + here.start, found[2]
        shingles.close_window()
        begin = end
    own = place[text_of]
    same_text = texts[own] != np.arange(len(documents))  # of one text with another: joined to that
    through = np.where(same_text, texts[own], texts[via[own]])
    return to_first[own], through, np.where(same_text, 1.0, to_via[own])


def _linked(keys: npt.NDArray[Any]) -> I64:
    """Returns equal numbers for documents that have one text or one id, followed from one to the next.

    What was read as a page and as plain text has one id and two cleaned texts: it is one document still.
    """
    relations = [np.unique(keys[name], axis=0, return_inverse=True)[1].reshape(-1) for name in ("exact", "id")]
    first = np.arange(len(keys), dtype=np.int64)
    while True:
        before = first
        for group in relations:
            least = np.full(len(keys), len(keys), dtype=np.int64)
            np.minimum.at(least, group, first)
            first = least[group]
        if np.array_equal(first, before):
            return first


def _first(cluster: I64, order: I64) -> I64:
    """Returns for each document the first of its cluster in an order that has the clusters one after the other."""
    return order[_begins(cluster[order])][cluster]


def _begins(groups: npt.NDArray[Any]) -> I64:
    """Returns where each run of equal numbers begins."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))


def _ends(begins: I64, count: int) -> I64:
    """Returns the last place of each run, given where they begin."""
    return np.append(begins[1:], count) - 1


def _ranks(order: Any) -> I64:
    """Returns the place of each element in an order."""
    order = np.asarray(order)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks
