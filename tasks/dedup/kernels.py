"""The compiled loops over text: whitespace, digests, shingles, MinHash signatures and their bands.

A text is gone over once for each of these while it lies in the processor's cache, with buffers of the longest text that
are used again: nothing is allocated for a text. All are written so that LLVM makes vector instructions of them.

What numba compiles is here and in `comparing`, and kept to few functions: compiling takes about 3 CPU seconds, once per
machine; afterwards loading from the cache takes half a second per process. The cache lies in this folder's
`__pycache__`, or in the user's cache folder where the package is read-only, or in `NUMBA_CACHE_DIR`; where none of them
can be written each process compiles for itself.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

from tasks.arrays.utf8 import I64, U8, U32, U64, Bools, compiled

FOLDED_PLANES = 2
"""Planes of Unicode that the folding table covers; planes 2 and 3 are ideographs, the rest has no letters."""

_IDEOGRAPHS = FOLDED_PLANES << 16
_END_OF_IDEOGRAPHS = 4 << 16

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BASE = np.uint64(0xD1342543DE82EF95)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)
_S32 = np.uint64(32)

_XXH_1 = np.uint64(0x9E3779B185EBCA87)
_XXH_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_XXH_3 = np.uint64(0x165667B19E3779F9)
_XXH_4 = np.uint64(0x85EBCA77C2B2AE63)
_XXH_5 = np.uint64(0x27D4EB2F165667C5)

_FMIX_1 = np.uint32(0x85EBCA6B)
_FMIX_2 = np.uint32(0xC2B2AE35)
_S16 = np.uint32(16)
_S13 = np.uint32(13)

_SPACE, _MAYBE_SPACE = 1, 2
_AT_A_TIME = 8
"""Shingles that a signature takes in at a time: its values are loaded and stored once for all of them."""


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


@cache
def spacing_table() -> U8:
    """Returns, for each byte, whether it is whitespace (1) or may begin a character that is (2)."""
    table = np.zeros(256, dtype=np.uint8)
    for point in range(sys.maxunicode):
        character = chr(point)
        if character.isspace():
            encoded = character.encode()
            table[encoded[0]] = _SPACE if len(encoded) == 1 else _MAYBE_SPACE
    return table


def permutations(count: int, seed: int) -> tuple[U32, U32]:
    """Returns the factors (odd) and summands of datasketch's `affine32` permutations for a seed."""
    generator = np.random.RandomState(seed)
    halves = generator.randint(0, 1 << 31, count, dtype=np.uint32)
    summands = generator.randint(0, 1 << 32, count, dtype=np.uint32)
    return halves * np.uint32(2) + np.uint32(1), summands


@compiled
def shingle_one(
    data: U8, begin: int, end: int, single: bool, table: U32, length: int, recent: U64, found: U64
) -> tuple[int, int]:
    """Hashes the shingles of one text into a buffer of at least as many places as it has bytes.

    A token is a run of letters and digits, lower-cased, or one such character; a shingle is so many tokens in a row. A
    text of fewer tokens has none.

    Args:
        data: UTF-8.
        begin: Where the text begins.
        end: Where it ends.
        single: Whether tokens are characters.
        table: From `folding_table`.
        length: Tokens in a shingle.
        recent: A buffer of at least as many places as that.
        found: Where the hashes go.

    Returns:
        How many there are, with repetitions, and the bytes of the text's letters and digits.
    """
    # Tokens of a shingle are the digits of a number in this base, so each needs one step to be taken in or out.
    highest = np.uint64(1)
    for _ in range(length):
        highest *= _BASE
    used = 0
    tokens = 0
    slot = 0
    rolling = np.uint64(0)
    token = np.uint64(0)
    inside = False
    place = begin
    counted = 0
    while place <= end:
        folded = np.uint32(0)
        size = 1  # of the end of the text too, which closes the last word
        if place < end:
            byte = data[place]
            if byte < 0x80:
                folded = table[byte]
            else:
                point = np.int64(byte)
                if point >= 0xF0:
                    size = 4
                    point &= 0x07
                elif point >= 0xE0:
                    size = 3
                    point &= 0x0F
                else:
                    size = 2
                    point &= 0x1F
                for following in range(1, size):
                    point = (point << 6) | (np.int64(data[place + following]) & 0x3F)
                if point < _IDEOGRAPHS:
                    folded = table[point]
                elif point < _END_OF_IDEOGRAPHS:
                    folded = np.uint32(point)
        place += size
        if folded != 0:
            counted += size
            token = (token ^ np.uint64(folded)) * _MULTIPLIER
            inside = True
            if not single:
                continue
        elif single or not inside:
            continue
        token ^= token >> _S32
        rolling = rolling * _BASE + token
        if tokens >= length:
            rolling -= recent[slot] * highest
        recent[slot] = token
        slot = slot + 1 if slot + 1 < length else 0
        tokens += 1
        token = np.uint64(0)
        inside = False
        if tokens >= length:
            hashed = (rolling ^ (rolling >> _S33)) * _MIX_1
            hashed = (hashed ^ (hashed >> _S33)) * _MIX_2
            found[used] = hashed ^ (hashed >> _S33)
            used += 1
    return used, counted


@compiled
def shingle(data: U8, starts: I64, by_character: Bools, table: U32, words: int, characters: int) -> tuple[U64, I64]:
    """Hashes the shingles of many texts; see `shingle_one`.

    Args:
        data: The texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        by_character: bool[n], whether a text's tokens are characters.
        table: From `folding_table`.
        words: Tokens in a shingle of words.
        characters: Tokens in a shingle of characters.

    Returns:
        Hashes, uint64, in the order of the texts and with repetitions; int64[n + 1] offsets into them.
    """
    count = len(starts) - 1
    found = np.empty(starts[count] - starts[0], dtype=np.uint64)
    ends = np.zeros(count + 1, dtype=np.int64)
    recent = np.empty(max(words, characters), dtype=np.uint64)
    for number in range(count):
        single = by_character[number]
        length = characters if single else words
        used = ends[number]
        made, _ = shingle_one(data, starts[number], starts[number + 1], single, table, length, recent, found[used:])
        ends[number + 1] = used + made
    return found[: ends[count]], ends


@compiled
def sign_one(shingles: U64, factors: U32, summands: U32, row: U32) -> None:
    """Writes the MinHash signature of one text, given by its shingles, into a row.

    The upper half of a shingle's hash is what datasketch's `affine32` takes for the hash of an element: each value is
    the least of factor · fmix32(hash) + summand modulo 2³². Without shingles it is the greatest value throughout.
    """
    width = len(factors)
    mixed = np.zeros(_AT_A_TIME, dtype=np.uint32)
    for column in range(width):
        row[column] = np.uint32(0xFFFFFFFF)
    for begin in range(0, len(shingles), _AT_A_TIME):
        for place in range(_AT_A_TIME):
            # The last shingle stands in for those that are missing at the end: it does not alter a minimum.
            hashed = np.uint32(shingles[min(begin + place, len(shingles) - 1)] >> _S32)
            # numba widens products to 64 bits: cast back after each step, which also lets the inner loop be vectorised.
            hashed = np.uint32((hashed ^ (hashed >> _S16)) * _FMIX_1)
            hashed = np.uint32((hashed ^ (hashed >> _S13)) * _FMIX_2)
            mixed[place] = np.uint32(hashed ^ (hashed >> _S16))
        m0, m1, m2, m3 = mixed[0], mixed[1], mixed[2], mixed[3]
        m4, m5, m6, m7 = mixed[4], mixed[5], mixed[6], mixed[7]
        for column in range(width):
            factor, summand = factors[column], summands[column]
            least = min(row[column], np.uint32(factor * m0 + summand))
            least = min(least, np.uint32(factor * m1 + summand))
            least = min(least, np.uint32(factor * m2 + summand))
            least = min(least, np.uint32(factor * m3 + summand))
            least = min(least, np.uint32(factor * m4 + summand))
            least = min(least, np.uint32(factor * m5 + summand))
            least = min(least, np.uint32(factor * m6 + summand))
            row[column] = min(least, np.uint32(factor * m7 + summand))


@compiled
def sign(shingles: U64, ends: I64, factors: U32, summands: U32) -> U32:
    """Returns the MinHash signatures, uint32[n, permutations], of texts given by their shingles; see `sign_one`."""
    signatures = np.empty((len(ends) - 1, len(factors)), dtype=np.uint32)
    for number in range(len(ends) - 1):
        sign_one(shingles[ends[number] : ends[number + 1]], factors, summands, signatures[number])
    return signatures


@compiled
def squeeze_one(data: U8, begin: int, end: int, table: U8, squeezed: U8) -> int:
    """Replaces every run of whitespace by one space and leaves it out at both ends, as `" ".join(text.split())` does.

    Args:
        data: UTF-8.
        begin: Where the text begins.
        end: Where it ends.
        table: From `spacing_table`.
        squeezed: A buffer of at least one place more than the text has bytes.

    Returns:
        The bytes that are left.
    """
    used = 0
    gap = True
    place = begin
    while place < end:
        byte = data[place]
        kind = table[byte]
        if kind == _MAYBE_SPACE:
            wide = 0
            if byte == 0xC2:
                if data[place + 1] == 0x85 or data[place + 1] == 0xA0:
                    wide = 2
            else:
                second, third = data[place + 1], data[place + 2]
                point = (np.int64(byte & 0x0F) << 12) | (np.int64(second & 0x3F) << 6) | np.int64(third & 0x3F)
                spaces = 0x2000 <= point <= 0x200A or point == 0x2028 or point == 0x2029 or point == 0x202F
                if spaces or point == 0x1680 or point == 0x205F or point == 0x3000:
                    wide = 3
            if wide:
                squeezed[used] = 32
                used += not gap
                gap = True
                place += wide
                continue
        # Written in any case and kept or not: a jump for every space would be foreseen wrongly once a word.
        space = kind == _SPACE
        squeezed[used] = 32 if space else byte
        used += not (space and gap)
        gap = space
        place += 1
    return used - 1 if used and gap else used


@compiled
def xxh64(data: U8, words: U64, size: int, seed: np.uint64) -> np.uint64:
    """Returns the XXH64 of some bytes (Collet's specification of xxHash, version 0.1.1).

    Args:
        data: The bytes, from the first on.
        words: The same memory as numbers.
        size: How many bytes.
        seed: Of the hash.
    """
    stripes = size // 32
    if stripes:
        a, b, c, d = seed + _XXH_1 + _XXH_2, seed + _XXH_2, seed, seed - _XXH_1
        for stripe in range(stripes):
            a = rotate(a + words[4 * stripe] * _XXH_2, 31) * _XXH_1
            b = rotate(b + words[4 * stripe + 1] * _XXH_2, 31) * _XXH_1
            c = rotate(c + words[4 * stripe + 2] * _XXH_2, 31) * _XXH_1
            d = rotate(d + words[4 * stripe + 3] * _XXH_2, 31) * _XXH_1
        hashed = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
        for lane in (a, b, c, d):
            hashed = (hashed ^ (rotate(lane * _XXH_2, 31) * _XXH_1)) * _XXH_1 + _XXH_4
    else:
        hashed = seed + _XXH_5
    hashed += np.uint64(size)
    for word in range(4 * stripes, size // 8):
        hashed = rotate(hashed ^ (rotate(words[word] * _XXH_2, 31) * _XXH_1), 27) * _XXH_1 + _XXH_4
    place = size // 8 * 8
    if size - place >= 4:
        four = np.uint64(0)
        for byte in range(4):
            four |= np.uint64(data[place + byte]) << np.uint64(8 * byte)
        hashed = rotate(hashed ^ (four * _XXH_1), 23) * _XXH_2 + _XXH_3
        place += 4
    while place < size:
        hashed = rotate(hashed ^ (np.uint64(data[place]) * _XXH_5), 11) * _XXH_1
        place += 1
    hashed = (hashed ^ (hashed >> _S33)) * _XXH_2
    hashed = (hashed ^ (hashed >> np.uint64(29))) * _XXH_3
    return hashed ^ (hashed >> _S32)


@compiled
def rotate(value: np.uint64, bits: int) -> np.uint64:
    """Returns a number whose bits are moved up, those at the top to the bottom."""
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@compiled
def digest(data: U8, starts: I64, seeds: U64) -> U64:
    """Returns uint64[n, 2], the XXH64 of texts under two seeds each.

    Args:
        data: Texts, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        seeds: uint64[n, 2].
    """
    buffer = np.empty(longest(starts) // 8 + 1, dtype=np.uint64)
    squeezed = buffer.view(np.uint8)
    digests = np.empty((len(starts) - 1, 2), dtype=np.uint64)
    for number in range(len(starts) - 1):
        begin, end = starts[number], starts[number + 1]
        squeezed[: end - begin] = data[begin:end]
        for half in range(2):
            digests[number, half] = xxh64(squeezed, buffer, end - begin, seeds[number, half])
    return digests


@compiled
def longest(starts: I64) -> int:
    """Returns the bytes of the longest text."""
    most = 0
    for number in range(len(starts) - 1):
        most = max(most, starts[number + 1] - starts[number])
    return most


@compiled
def measure(
    data: U8,
    starts: I64,
    by_character: Bools,
    folding: U32,
    spacing: U8,
    words: int,
    characters: int,
    factors: U32,
    summands: U32,
    signatures: U32,
    exact: U64,
    counts: I64,
) -> None:
    """Signs, digests and counts texts.

    Args:
        data: The texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        by_character: bool[n], whether a text's tokens are characters.
        folding: From `folding_table`.
        spacing: From `spacing_table`.
        words: Tokens in a shingle of words.
        characters: Tokens in a shingle of characters.
        factors: uint32[permutations], from `permutations`.
        summands: Likewise.
        signatures: uint32[n, permutations], where the signatures go; see `sign_one`.
        exact: uint64[n, 2], where the XXH64 of each text goes under two seeds, every run of whitespace as one space.
        counts: int64[n, 4], where its shingles go, the bytes of its letters and digits, and its bytes and characters
            with every run of whitespace as one space.
    """
    most = longest(starts)
    shingles = np.empty(most + 1, dtype=np.uint64)
    recent = np.empty(max(words, characters), dtype=np.uint64)
    buffer = np.empty(most // 8 + 2, dtype=np.uint64)
    squeezed = buffer.view(np.uint8)
    for number in range(len(starts) - 1):
        begin, end = starts[number], starts[number + 1]
        single = by_character[number]
        length = characters if single else words
        made, letters = shingle_one(data, begin, end, single, folding, length, recent, shingles)
        sign_one(shingles[:made], factors, summands, signatures[number])
        size = squeeze_one(data, begin, end, spacing, squeezed)
        for half in range(2):
            exact[number, half] = xxh64(squeezed, buffer, size, np.uint64(half))
        following = 0
        for place in range(size):
            following += (squeezed[place] & 0xC0) == 0x80
        counts[number, 0] = made
        counts[number, 1] = letters
        counts[number, 2] = size
        counts[number, 3] = size - following


@compiled
def band_hashes(signatures: U32, languages: U8, columns: I64) -> U64:
    """Returns uint64[bands, n]: 64 bits for each document's language and one band of its signature.

    Args:
        signatures: uint32[n, permutations].
        languages: uint8[n].
        columns: int64[bands, rows], which values of a signature make a band.
    """
    bands, rows = columns.shape
    hashes = np.empty((bands, len(signatures)), dtype=np.uint64)
    for number in range(len(signatures)):
        for band in range(bands):
            hashed = np.uint64(languages[number])
            for row in range(rows):
                hashed = (hashed ^ np.uint64(signatures[number, columns[band, row]])) * _MULTIPLIER
                hashed ^= hashed >> _S32
            hashes[band, number] = hashed
    return hashes
