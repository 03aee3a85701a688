"""The compiled loops over text: whitespace, shingles, MinHash signatures and their bands.

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

_FMIX_1 = np.uint32(0x85EBCA6B)
_FMIX_2 = np.uint32(0xC2B2AE35)
_S16 = np.uint32(16)
_S13 = np.uint32(13)


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


@compiled
def shingle(
    data: U8, starts: I64, by_character: Bools, table: U32, words: int, characters: int
) -> tuple[U64, I64, I64]:
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
        Hashes, uint64, in the order of the texts and with repetitions; int64[n + 1] offsets into them; int64[n], the
        bytes of each text's letters and digits.
    """
    count = len(starts) - 1
    found = np.empty(starts[count] - starts[0], dtype=np.uint64)
    ends = np.zeros(count + 1, dtype=np.int64)
    letters = np.zeros(count, dtype=np.int64)
    recent = np.zeros(32, dtype=np.uint64)
    used = 0
    for number in range(count):
        single = by_character[number]
        length = characters if single else words
        # Tokens of a shingle are the digits of a number in this base, so each needs one step to be taken in or out.
        highest = np.uint64(1)
        for _ in range(length):
            highest *= _BASE
        tokens = 0
        slot = 0
        rolling = np.uint64(0)
        token = np.uint64(0)
        inside = False
        place = starts[number]
        end = starts[number + 1]
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
        ends[number + 1] = used
        letters[number] = counted
    return found[:used], ends, letters


@compiled
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


@compiled
def band_hashes(signatures: U32, languages: U8, bands: int, rows: int) -> U64:
    """Returns uint64[bands, n]: 64 bits for each document's language and one band of its signature."""
    count = len(signatures)
    hashes = np.empty((bands, count), dtype=np.uint64)
    for number in range(count):
        for band in range(bands):
            hashed = np.uint64(languages[number])
            for row in range(band * rows, (band + 1) * rows):
                hashed = (hashed ^ np.uint64(signatures[number, row])) * _MULTIPLIER
                hashed ^= hashed >> _S32
            hashes[band, number] = hashed
    return hashes


@compiled
def squeeze(data: U8, starts: I64) -> tuple[U8, I64, I64]:
    """Replaces every run of whitespace by one space and leaves it out at both ends, as `" ".join(text.split())` does.

    Args:
        data: Texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.

    Returns:
        The texts in UTF-8, int64[n + 1] offsets into them, and int64[n] characters of each.
    """
    count = len(starts) - 1
    squeezed = np.empty(starts[count] - starts[0], dtype=np.uint8)
    ends = np.zeros(count + 1, dtype=np.int64)
    characters = np.zeros(count, dtype=np.int64)
    used = 0
    for number in range(count):
        begin = used
        place = starts[number]
        end = starts[number + 1]
        gap = False
        while place < end:
            byte = data[place]
            wide = 0
            if byte <= 32:
                if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
                    wide = 1
            elif byte == 0xC2:
                if data[place + 1] == 0x85 or data[place + 1] == 0xA0:
                    wide = 2
            elif 0xE1 <= byte <= 0xE3:
                second, third = data[place + 1], data[place + 2]
                point = (np.int64(byte & 0x0F) << 12) | (np.int64(second & 0x3F) << 6) | np.int64(third & 0x3F)
                spaces = 0x2000 <= point <= 0x200A or point == 0x2028 or point == 0x2029 or point == 0x202F
                if spaces or point == 0x1680 or point == 0x205F or point == 0x3000:
                    wide = 3
            if wide:
                gap = used > begin
                place += wide
                continue
            if gap:
                squeezed[used] = 32
                used += 1
                gap = False
            squeezed[used] = byte
            used += 1
            place += 1
            while place < end and 32 < data[place] < 0xC2:  # the rest of a character, and what is ASCII and no space
                squeezed[used] = data[place]
                used += 1
                place += 1
        ends[number + 1] = used
        following = 0
        for written in range(begin, used):
            following += (squeezed[written] & 0xC0) == 0x80
        characters[number] = used - begin - following
    return squeezed[:used], ends, characters
