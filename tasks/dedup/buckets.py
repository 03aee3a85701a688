"""Candidates by locality-sensitive hashing: documents that share a band of their MinHash signatures.

Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4. One band of all documents is held at a time, 16
bytes a document; what is kept is 8 bytes for each place in a bucket of two or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.dedup.index import Corpus
from tasks.dedup.kernels import I64, U64

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Buckets:
    """The buckets of one band that hold two documents or more.

    Attributes:
        members: int64, bucket after bucket, ascending inside each.
        bounds: int64[buckets + 1], where each bucket begins.
    """

    members: I64
    bounds: I64


@dataclass(frozen=True)
class Candidates:
    """Documents that share a bucket with another, numbered from the earliest.

    Attributes:
        documents: int64[candidates], their numbers in the corpus.
        bands: The buckets of each band; members are numbers of candidates.
    """

    documents: I64
    bands: list[Buckets]


def find_candidates(corpus: Corpus, eligible: I64, bands: int) -> Candidates:
    """Finds the documents worth comparing.

    Args:
        corpus: All documents.
        eligible: int64, those that take part, from the earliest.
        bands: How many bands the signatures are cut into.
    """
    found = [_buckets(_band_hashes(corpus, band, bands)[eligible]) for band in range(bands)]
    shares = np.zeros(len(eligible), dtype=bool)
    for buckets in found:
        shares[buckets.members] = True
    number = np.cumsum(shares) - 1
    return Candidates(eligible[shares], [Buckets(number[buckets.members], buckets.bounds) for buckets in found])


def _band_hashes(corpus: Corpus, band: int, bands: int) -> U64:
    """Returns 64 bits a document that stand for its language and one band of its signature."""
    hashes = corpus.keys["language"].astype(np.uint64)
    for part, path in enumerate(corpus.signatures):
        signatures = np.load(path, mmap_mode="r", allow_pickle=False)
        rows = signatures.shape[1] // bands
        here = hashes[corpus.starts[part] : corpus.starts[part + 1]]  # a view: altered in place
        for column in range(band * rows, (band + 1) * rows):
            here ^= signatures[:, column]
            here *= _MULTIPLIER
            here ^= here >> _HALF
    return hashes


def _buckets(hashes: U64) -> Buckets:
    order = np.argsort(hashes, kind="stable").astype(np.int64)
    ordered = hashes[order]
    first = np.ones(len(ordered) + 1, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    sizes = np.diff(starts)
    shared = sizes > 1
    members = order[np.repeat(shared, sizes)]
    return Buckets(members, np.concatenate([[0], np.cumsum(sizes[shared])]).astype(np.int64))
