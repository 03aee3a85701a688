"""The compiled loops over text: tokens, shingles, MinHash signatures and their bands.

A text is gone over while it lies in the processor's cache, with buffers of the longest text that are used again:
nothing is allocated for a text. Loops are written so that LLVM makes vector instructions of them, for which it must
know that no place in an array is negative: they begin at 0, or their places are unsigned.

What numba compiles is here, in `digests` and in `comparing`, and kept to few functions: compiling takes some CPU
seconds, once per machine; afterwards loading from the cache takes half a second per process. The cache lies in this
folder's `__pycache__`, or in the user's cache folder where the package is read-only, or in `NUMBA_CACHE_DIR`; where
none of them can be written each process compiles for itself.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

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


_LOW_BITS, _HIGH_BITS = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
_U1, _U2, _U3 = np.uint64(1), np.uint64(2), np.uint64(3)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_GATHER = np.uint64(0x0102040810204080)
"""Moves the lowest bit of each byte of a number into its highest byte."""

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_OF = np.zeros(64, dtype=np.int64)
"""By the upper 6 bits of the product of a power of two and that number, which power it is (Leiserson and others, "Using
de Bruijn sequences to index a 1 in a computer word", 1998)."""
for _bit in range(64):
    _BIT_OF[((int(_DE_BRUIJN) << _bit) & (2**64 - 1)) >> 58] = _bit

_BLOCK = 64
"""Bytes of text that are folded at a time where all are ASCII."""

_FMIX_1 = np.uint32(0x85EBCA6B)
_FMIX_2 = np.uint32(0xC2B2AE35)
_S16 = np.uint32(16)
_S13 = np.uint32(13)

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


def permutations(count: int, seed: int) -> tuple[U32, U32]:
    """Returns the factors (odd) and summands of datasketch's `affine32` permutations for a seed."""
    generator = np.random.RandomState(seed)
    halves = generator.randint(0, 1 << 31, count, dtype=np.uint32)
    summands = generator.randint(0, 1 << 32, count, dtype=np.uint32)
    return halves * np.uint32(2) + np.uint32(1), summands


@compiled
def fold(data: U8, begin: int, end: int, table: U32, folded: U8) -> tuple[int, int]:
    """Writes a text's letters and digits, lower-cased, and a zero for every other character.

    Args:
        data: UTF-8.
        begin: Where the text begins.
        end: Where it ends.
        table: From `folding_table`.
        folded: A buffer of at least `folded_bytes` of the text's bytes.

    Returns:
        Bytes written, and the bytes of the text's letters and digits.
    """
    used = 0
    letters = 0
    place = begin
    while place < end:
        if place + _BLOCK <= end:
            wide: Any = np.uint8(0)
            for step in range(_BLOCK):
                wide = np.uint8(wide | data[np.uint64(place) + np.uint64(step)])
            if wide < 0x80:
                counted: Any = np.uint8(0)
                for step in range(_BLOCK):
                    byte = data[np.uint64(place) + np.uint64(step)]
                    lower = np.uint8(byte | np.uint8(0x20))
                    is_letter = np.uint8(lower - np.uint8(97)) < np.uint8(26)
                    is_digit = np.uint8(byte - np.uint8(48)) < np.uint8(10)
                    letter = lower if is_letter else byte if is_digit else np.uint8(0)
                    folded[np.uint64(used) + np.uint64(step)] = letter
                    counted = np.uint8(counted + np.uint8(letter != 0))
                letters += counted
                used += _BLOCK
                place += _BLOCK
                continue
        stop = min(end, place + _BLOCK)
        while place < stop:
            byte = data[place]
            if byte < 0x80:
                letter = table[byte]
                folded[used] = np.uint8(letter)
                used += 1
                letters += letter != 0
                place += 1
                continue
            letter, size = letter_at(data, place, table)
            place += size
            letters += size if letter else 0
            if letter < 0x80:
                folded[used] = np.uint8(letter)
                used += 1
                continue
            # What is lower-cased may be longer than it was: by half, at most.
            if letter < 0x800:
                folded[used] = np.uint8(0xC0 | (letter >> 6))
                used += 1
            elif letter < 0x10000:
                folded[used] = np.uint8(0xE0 | (letter >> 12))
                folded[used + 1] = np.uint8(0x80 | ((letter >> 6) & 0x3F))
                used += 2
            else:
                folded[used] = np.uint8(0xF0 | (letter >> 18))
                folded[used + 1] = np.uint8(0x80 | ((letter >> 12) & 0x3F))
                folded[used + 2] = np.uint8(0x80 | ((letter >> 6) & 0x3F))
                used += 3
            folded[used] = np.uint8(0x80 | (letter & 0x3F))
            used += 1
    return used, letters


@compiled
def letter_at(data: U8, place: int, table: U32) -> tuple[int, int]:
    """Returns the letter or digit that a character beyond ASCII counts as, or 0, and the character's bytes."""
    first = np.uint64(place)
    lead: Any = np.int64(data[first])
    second: Any = np.int64(data[first + _U1]) & 0x3F
    if lead < 0xE0:
        point = ((lead & 0x1F) << 6) | second
        size = 2
    elif lead < 0xF0:
        point = ((lead & 0x0F) << 12) | (second << 6) | (np.int64(data[first + _U2]) & 0x3F)
        size = 3
    else:
        point = ((lead & 0x07) << 18) | (second << 12)
        point |= ((np.int64(data[first + _U2]) & 0x3F) << 6) | (np.int64(data[first + _U3]) & 0x3F)
        size = 4
    if point < _IDEOGRAPHS:
        letter: Any = np.int64(table[np.uint64(point)])
        return letter, size
    return point if point < _END_OF_IDEOGRAPHS else 0, size


@compiled
def folded_bytes(size: int) -> int:
    """Returns how large the buffer for a folded text of so many bytes must be, in bytes: whole words of masks."""
    return (size + size // 2) // 64 * 64 + 128


@compiled
def word_tokens(folded: U8, words: U64, used: int, masks: U8, mask_words: U64, edges: I64, tokens: U64) -> int:
    """Hashes the words of a folded text: its runs of bytes that are not zero.

    Words are found by the edges in a mask of one bit a byte and hashed 8 bytes at a time, without a jump for a byte.

    Args:
        folded: From `fold`. What lies behind the text is set to zero up to a whole word of masks.
        words: The same memory as numbers.
        used: Bytes of the text.
        masks: A buffer of an eighth of the bytes.
        mask_words: The same memory as numbers.
        edges: A buffer of as many places as there are bytes.
        tokens: Where the hashes go.

    Returns:
        How many words there are.
    """
    blocks = used // 64 + 1
    folded[used : 64 * blocks + 8] = 0
    for word in range(8 * blocks):
        value = words[word]
        filled = (((value & _LOW_BITS) + _LOW_BITS) | value) & _HIGH_BITS
        masks[word] = np.uint8(((filled >> np.uint64(7)) * _GATHER) >> np.uint64(56))
    found = 0
    carry = np.uint64(0)
    for block in range(blocks):
        mask = mask_words[block]
        changes = mask ^ ((mask << _U1) | carry)
        carry = mask >> np.uint64(63)
        while changes:
            lowest = changes & (~changes + _U1)
            edges[np.uint64(found)] = 64 * block + _BIT_OF[(lowest * _DE_BRUIJN) >> np.uint64(58)]
            found += 1
            changes ^= lowest
    for number in range(found // 2):
        begin, end = edges[2 * number], edges[2 * number + 1]
        token = np.uint64(0)
        while True:
            # 8 bytes from anywhere are the ends of two words; shifted in two steps, since 64 at once is undefined.
            shift = np.uint64(8 * (begin & 7))
            first = np.uint64(begin >> 3)
            value = (words[first] >> shift) | ((words[first + _U1] << _U1) << (np.uint64(63) - shift))
            left = end - begin
            if left >= 8:
                token = (token ^ value) * _MULTIPLIER
                token ^= token >> _S32
                begin += 8
                if left == 8:
                    break
            else:
                value &= _ALL_BITS >> np.uint64(64 - 8 * left)
                token = (token ^ value) * _MULTIPLIER
                token ^= token >> _S32
                break
        tokens[number] = token
    return found // 2


@compiled
def character_tokens(data: U8, begin: int, end: int, table: U32, tokens: U64) -> tuple[int, int]:
    """Hashes the letters and digits of a text one by one.

    Args:
        data: UTF-8.
        begin: Where the text begins.
        end: Where it ends.
        table: From `folding_table`.
        tokens: Where the hashes go.

    Returns:
        How many there are, and their bytes in the text.
    """
    used = 0
    letters = 0
    place = begin
    while place < end:
        byte = data[np.uint64(place)]
        if byte < 0x80:
            letter: Any = np.int64(table[byte])
            size = 1
        else:
            letter, size = letter_at(data, place, table)
        # Written in any case and kept or not: a jump would be foreseen wrongly at every mark of punctuation.
        tokens[np.uint64(used)] = np.uint64(letter)
        used += letter != 0
        letters += size if letter else 0
        place += size
    for number in range(used):
        token = tokens[number] * _MULTIPLIER
        tokens[number] = token ^ (token >> _S32)
    return used, letters


@compiled
def combine(tokens: U64, count: int, length: int, found: U64) -> int:
    """Hashes every run of so many tokens; returns how many there are.

    Tokens are the digits of a number: a step for each digit over all runs is a loop of vector instructions, where one
    number that rolls through the text would wait for itself.
    """
    used = max(0, count - length + 1)
    for place in range(used):
        found[place] = tokens[place]
    for step in range(1, length):
        for place in range(used):
            found[place] = found[place] * _BASE + tokens[place + step]
    for place in range(used):
        hashed = found[place]
        hashed = (hashed ^ (hashed >> _S33)) * _MIX_1
        hashed = (hashed ^ (hashed >> _S33)) * _MIX_2
        found[place] = hashed ^ (hashed >> _S33)
    return used


@compiled
def shingle(
    data: U8, starts: I64, longest: int, by_character: Bools, table: U32, words: int, characters: int
) -> tuple[U64, I64]:
    """Hashes the shingles of many texts.

    A token is a run of letters and digits, lower-cased, or one such character; a shingle is so many tokens in a row. A
    text of fewer tokens has none.

    Args:
        data: The texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        longest: Bytes of the longest.
        by_character: bool[n], whether a text's tokens are characters.
        table: From `folding_table`.
        words: Tokens in a shingle of words.
        characters: Tokens in a shingle of characters.

    Returns:
        Hashes, uint64, in the order of the texts and with repetitions; int64[n + 1] offsets into them.
    """
    count = len(starts) - 1
    words_of = np.empty(folded_bytes(longest) // 8, dtype=np.uint64)
    masks_of = np.empty(folded_bytes(longest) // 64, dtype=np.uint64)
    edges = np.empty(folded_bytes(longest), dtype=np.int64)
    folded, masks = words_of.view(np.uint8), masks_of.view(np.uint8)
    tokens = np.empty(longest + 1, dtype=np.uint64)
    found = np.empty(starts[count] - starts[0], dtype=np.uint64)
    ends = np.zeros(count + 1, dtype=np.int64)
    for number in range(count):
        begin, end = starts[number], starts[number + 1]
        if by_character[number]:
            made, _ = character_tokens(data, begin, end, table, tokens)
            length = characters
        else:
            used, _ = fold(data, begin, end, table, folded)
            made = word_tokens(folded, words_of, used, masks, masks_of, edges, tokens)
            length = words
        ends[number + 1] = ends[number] + combine(tokens, made, length, found[ends[number] :])
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
def sign_texts(
    data: U8,
    starts: I64,
    longest: int,
    by_character: Bools,
    table: U32,
    words: int,
    characters: int,
    factors: U32,
    summands: U32,
    signatures: U32,
) -> tuple[I64, I64]:
    """Signs texts, each while its shingles lie in the processor's cache.

    Args:
        data: As for `shingle`.
        starts: Likewise.
        longest: Likewise.
        by_character: Likewise.
        table: Likewise.
        words: Likewise.
        characters: Likewise.
        factors: uint32[permutations], from `permutations`.
        summands: Likewise.
        signatures: uint32[n, permutations], where the signatures go; see `sign_one`.

    Returns:
        int64[n], the shingles of each text, with repetitions; int64[n], the bytes of its letters and digits.
    """
    count = len(starts) - 1
    words_of = np.empty(folded_bytes(longest) // 8, dtype=np.uint64)
    masks_of = np.empty(folded_bytes(longest) // 64, dtype=np.uint64)
    edges = np.empty(folded_bytes(longest), dtype=np.int64)
    folded, masks = words_of.view(np.uint8), masks_of.view(np.uint8)
    tokens = np.empty(longest + 1, dtype=np.uint64)
    shingles = np.empty(longest + 1, dtype=np.uint64)
    made, letters = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for number in range(count):
        begin, end = starts[number], starts[number + 1]
        if by_character[number]:
            found, letters[number] = character_tokens(data, begin, end, table, tokens)
            length = characters
        else:
            used, letters[number] = fold(data, begin, end, table, folded)
            found = word_tokens(folded, words_of, used, masks, masks_of, edges, tokens)
            length = words
        made[number] = combine(tokens, found, length, shingles)
        sign_one(shingles[: made[number]], factors, summands, signatures[number])
    return made, letters


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
