"""The compiled loops of deduplication: shingles of UTF-8 text, MinHash signatures, comparison within buckets.

Everything that numba compiles is in this one module and kept to few functions: compiling takes about 3 CPU seconds,
once per machine; afterwards loading from the cache takes half a second per process. The cache lies in this folder's
`__pycache__`, or in the user's cache folder where the package is read-only, or in `NUMBA_CACHE_DIR`; where none of them
can be written each process compiles for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

F = TypeVar("F", bound=Callable[..., Any])

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

FOLDED_PLANES = 2
"""Planes of Unicode that the folding table covers; planes 2 and 3 are ideographs, the rest has no letters."""

_IDEOGRAPHS = FOLDED_PLANES << 16
_END_OF_IDEOGRAPHS = 4 << 16

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)
_S32 = np.uint64(32)

_FMIX_1 = np.uint32(0x85EBCA6B)
_FMIX_2 = np.uint32(0xC2B2AE35)
_S16 = np.uint32(16)
_S13 = np.uint32(13)


def _compiled(function: F) -> F:
    compiled: Any
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder that it can write its cache to
        compiled = numba.njit(nogil=True)(function)
    return cast(F, compiled)


@cache
def folding_table() -> U32:
    """Returns, for each code point of the first planes, the letter or digit it counts as, lower-cased, or 0."""
    table = np.zeros(FOLDED_PLANES << 16, dtype=np.uint32)
    for point in range(1, min(FOLDED_PLANES << 16, sys.maxunicode)):
        character = chr(point)
        if character.isalnum():
            lower = character.lower()
            table[point] = ord(lower) if len(lower) == 1 else point
    return table


def permutations(count: int, seed: int) -> tuple[U32, U32]:
    """Returns the factors (odd) and summands of datasketch's `affine32` permutations for a seed."""
    generator = np.random.RandomState(seed)
    halves = generator.randint(0, 1 << 31, count, dtype=np.uint32)
    summands = generator.randint(0, 1 << 32, count, dtype=np.uint32)
    return halves * np.uint32(2) + np.uint32(1), summands


@_compiled
def shingle(
    data: U8, starts: I64, by_character: npt.NDArray[np.bool_], table: U32, words: int, characters: int
) -> tuple[U64, I64]:
    """Hashes the shingles of many texts.

    A token is a run of letters and digits, lower-cased, or one such character; a shingle is so many tokens in a row. A
    text of fewer tokens has none.

    Args:
        data: The texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        by_character: bool[n], whether a text's tokens are characters.
        table: From `folding_table`.
        words: Tokens in a shingle of words.
        characters: Tokens in a shingle of characters.

    Returns:
        Hashes, uint64, in the order of the texts and with repetitions, and int64[n + 1] offsets into them.
    """
    count = len(starts) - 1
    found = np.empty(starts[count] - starts[0], dtype=np.uint64)
    ends = np.zeros(count + 1, dtype=np.int64)
    recent = np.zeros(32, dtype=np.uint64)
    used = 0
    for number in range(count):
        single = by_character[number]
        length = characters if single else words
        tokens = 0
        inside = False
        token = np.uint64(0)
        place = starts[number]
        end = starts[number + 1]
        while place <= end:
            folded = np.uint32(0)
            if place < end:
                point = np.int64(data[place])
                size = 1
                if point >= 0xF0:
                    size = 4
                    point &= 0x07
                elif point >= 0xE0:
                    size = 3
                    point &= 0x0F
                elif point >= 0xC0:
                    size = 2
                    point &= 0x1F
                for following in range(1, size):
                    point = (point << 6) | (np.int64(data[place + following]) & 0x3F)
                place += size
                if point < _IDEOGRAPHS:
                    folded = table[point]
                elif point < _END_OF_IDEOGRAPHS:
                    folded = np.uint32(point)
            else:
                place += 1  # the end of the text closes the last word
            complete = False
            if folded != 0:
                if single or not inside:
                    token = np.uint64(0)
                token = (token ^ np.uint64(folded)) * _MULTIPLIER
                token ^= token >> _S32
                inside = True
                complete = single
            elif inside:
                complete = not single
                inside = False
            if complete:
                recent[tokens % length] = token
                tokens += 1
                if tokens >= length:
                    hashed = np.uint64(length)
                    for step in range(length):
                        hashed = (hashed ^ recent[(tokens + step) % length]) * _MIX_1
                        hashed ^= hashed >> _S33
                    hashed *= _MIX_2
                    found[used] = hashed ^ (hashed >> _S33)
                    used += 1
        ends[number + 1] = used
    return found[:used].copy(), ends


@_compiled
def sign(shingles: U64, ends: I64, factors: U32, summands: U32) -> U32:
    """Returns the MinHash signatures, uint32[n, permutations], of texts given by their shingles.

    The upper half of a shingle's hash is what datasketch's `affine32` takes for the hash of an element: each value is
    the least of factor · fmix32(hash) + summand modulo 2³². Texts without shingles get the greatest value throughout.
    """
    count = len(ends) - 1
    width = len(factors)
    signatures = np.full((count, width), np.uint32(0xFFFFFFFF), dtype=np.uint32)
    for number in range(count):
        row = signatures[number]
        for place in range(ends[number], ends[number + 1]):
            # numba widens products to 64 bits: cast back after each step, which also lets the inner loop be vectorised.
            mixed = np.uint32(shingles[place] >> _S32)
            mixed = np.uint32((mixed ^ (mixed >> _S16)) * _FMIX_1)
            mixed = np.uint32((mixed ^ (mixed >> _S13)) * _FMIX_2)
            mixed = np.uint32(mixed ^ (mixed >> _S16))
            for column in range(width):
                row[column] = min(row[column], np.uint32(factors[column] * mixed + summands[column]))
    return signatures


@_compiled
def jaccard(shingles: U64, spans: I64, left: int, right: int, threshold: float) -> float:
    """Returns the Jaccard similarity of two sets, or -1 as soon as it must stay below the threshold.

    Args:
        shingles: Hashes, each set sorted and without repetitions.
        spans: int64[sets, 2], where each set begins and ends in them.
        left: One set.
        right: The other.
        threshold: 0 compares in full whatever comes out.
    """
    a, a_end = spans[left, 0], spans[left, 1]
    b, b_end = spans[right, 0], spans[right, 1]
    total = (a_end - a) + (b_end - b)
    # With s shared of a total of n, s / (n - s) ≥ t says s ≥ t·n / (1 + t): so many may be unmatched on both sides.
    allowed = total - 2.0 * threshold * total / (1.0 + threshold) + 1e-6
    if abs((a_end - a) - (b_end - b)) > allowed:
        return -1.0
    shared = 0
    unmatched = 0
    while a < a_end and b < b_end:
        if shingles[a] == shingles[b]:
            shared += 1
            a += 1
            b += 1
        else:
            if shingles[a] < shingles[b]:
                a += 1
            else:
                b += 1
            unmatched += 1
            if unmatched > allowed:
                return -1.0
    similarity = shared / (total - shared)
    return similarity if similarity >= threshold else -1.0


@_compiled
def join_buckets(
    members: I64, bounds: I64, shingles: U64, spans: I64, languages: U8, threshold: float, limit: int, parents: I64
) -> tuple[int, int, int]:
    """Compares the members of each bucket and joins, in `parents`, those whose similarity reaches the threshold.

    Pairs that are joined already are not compared again, so a bucket of one big cluster costs one comparison a member.
    All other pairs are compared, up to `limit` comparisons a bucket: past that its earlier members have been compared
    with all, its later ones only with those.

    Args:
        members: Candidates, bucket after bucket, ascending inside each.
        bounds: int64[buckets + 1], where each bucket begins.
        shingles: As for `jaccard`.
        spans: int64[candidates, 2], as for `jaccard`.
        languages: uint8[candidates]; documents of two languages are never joined.
        threshold: Least similarity of a pair that is joined.
        limit: Comparisons a bucket.
        parents: int64[candidates], the forest of joined candidates, altered in place; a root is its own parent and the
            least of its tree.

    Returns:
        Comparisons made, pairs that reached the threshold, and buckets that met the limit.
    """
    compared = 0
    verified = 0
    capped = 0
    for bucket in range(len(bounds) - 1):
        begin, end = bounds[bucket], bounds[bucket + 1]
        inside = 0
        for first in range(begin, end - 1):
            if inside >= limit:
                capped += 1
                break
            left = members[first]
            apart = False
            for second in range(first + 1, end):
                right = members[second]
                if languages[left] != languages[right]:
                    apart = True
                    continue
                left_root = left
                while parents[left_root] != left_root:
                    parents[left_root] = parents[parents[left_root]]
                    left_root = parents[left_root]
                right_root = right
                while parents[right_root] != right_root:
                    parents[right_root] = parents[parents[right_root]]
                    right_root = parents[right_root]
                if left_root == right_root:
                    continue
                inside += 1
                if jaccard(shingles, spans, left, right, threshold) >= 0.0:
                    verified += 1
                    parents[max(left_root, right_root)] = min(left_root, right_root)
                else:
                    apart = True
            if first == begin and not apart:
                break
        compared += inside
    return compared, verified, capped
