"""The compiled loops that digest texts whose whitespace is left out.

A module of its own beside `kernels`: none of either calls one of the other. See there for what compiling costs, and
why places in arrays are unsigned here and there.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

from tasks.arrays.utf8 import I64, U8, U64, compiled

_XXH_1 = np.uint64(0x9E3779B185EBCA87)
_XXH_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_XXH_3 = np.uint64(0x165667B19E3779F9)
_XXH_4 = np.uint64(0x85EBCA77C2B2AE63)
_XXH_5 = np.uint64(0x27D4EB2F165667C5)

_SPACE, _MAYBE_SPACE = 1, 2
_SPACES = np.uint64(0x2020202020202020)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_U1, _S32, _S33 = np.uint64(1), np.uint64(32), np.uint64(33)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_OF = np.zeros(64, dtype=np.int64)
"""By the upper 6 bits of the product of a power of two and that number, which power it is (Leiserson and others, "Using
de Bruijn sequences to index a 1 in a computer word", 1998)."""
for _bit in range(64):
    _BIT_OF[((int(_DE_BRUIJN) << _bit) & (2**64 - 1)) >> 58] = _bit


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


@compiled
def squeeze_one(data: U8, begin: int, end: int, table: U8, squeezed: U8, spaced: U8, words: U64) -> int:
    """Replaces every run of whitespace by one space and leaves it out at both ends, as `" ".join(text.split())` does.

    Args:
        data: UTF-8.
        begin: Where the text begins.
        end: Where it ends.
        table: From `spacing_table`.
        squeezed: A buffer of at least 64 bytes more than the text has.
        spaced: Another.
        words: The same memory as numbers.

    Returns:
        The bytes that are left.
    """
    text = data[begin:end]
    size = len(text)
    if size < 64 or has_wide_space(text):
        return squeeze_slowly(data, begin, end, table, squeezed)
    for place in range(size):
        byte = text[place]
        control = np.uint8(byte - np.uint8(9)) < np.uint8(5)
        separator = np.uint8(byte - np.uint8(28)) < np.uint8(4)
        spaced[place] = np.uint8(32) if control | separator else byte
    spaced[size : size // 8 * 8 + 16] = 0
    # Whitespace that follows whitespace goes: what lies between two such places is moved as a whole.
    used = 0
    kept = 0
    carry = np.uint64(1)
    for word in range(size // 8 + 1):
        value = words[word] ^ _SPACES
        spaces = ~((((value & _LOW_BITS) + _LOW_BITS) | value) | _LOW_BITS)
        gone = ((spaces << np.uint64(8)) | (carry << np.uint64(7))) & spaces
        carry = spaces >> np.uint64(63)
        if gone == 0:
            continue
        while gone:
            lowest = gone & (~gone + _U1)
            gone ^= lowest
            place = 8 * word + (_BIT_OF[(lowest * _DE_BRUIJN) >> np.uint64(58)] >> 3)
            move(squeezed, used, spaced, kept, place - kept)
            used += place - kept
            kept = place + 1
    move(squeezed, used, spaced, kept, size - kept)
    used += size - kept
    return used - 1 if used and squeezed[used - 1] == 32 else used


@compiled
def move(target: U8, place: int, source: U8, begin: int, count: int) -> None:
    """Copies bytes from one array to another. Unsigned places: LLVM makes no vectors where one might be negative."""
    for step in range(count):
        target[np.uint64(place) + np.uint64(step)] = source[np.uint64(begin) + np.uint64(step)]


@compiled
def has_wide_space(text: U8) -> bool:
    """Returns whether a text has whitespace beyond ASCII."""
    found = np.uint8(0)
    firsts, seconds, thirds = text[:-2], text[1:-1], text[2:]
    for place in range(len(firsts)):
        first, second, third = firsts[place], seconds[place], thirds[place]
        wide = (first == 0xC2) & ((second == 0x85) | (second == 0xA0))
        wide |= (first == 0xE3) & (second == 0x80) & (third == 0x80)
        wide |= (first == 0xE1) & (second == 0x9A) & (third == 0x80)
        wide |= (first == 0xE2) & (second == 0x81) & (third == 0x9F)
        lines = (third == 0xA8) | (third == 0xA9) | (third == 0xAF)
        spaces = np.uint8(third - np.uint8(0x80)) < np.uint8(11)
        wide |= (first == 0xE2) & (second == 0x80) & (spaces | lines)
        found = np.uint8(found | np.uint8(wide))
    return bool(found > 0 or (text[-2] == 0xC2 and (text[-1] == 0x85 or text[-1] == 0xA0)))


@compiled
def squeeze_slowly(data: U8, begin: int, end: int, table: U8, squeezed: U8) -> int:
    """Does what `squeeze_one` does, a byte at a time and for all whitespace."""
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
def digest(data: U8, starts: I64, longest: int, seeds: U64) -> U64:
    """Returns uint64[n, 2], the XXH64 of texts under two seeds each.

    Args:
        data: Texts, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        longest: Bytes of the longest.
        seeds: uint64[n, 2].
    """
    words = np.empty(longest // 8 + 1, dtype=np.uint64)
    text = words.view(np.uint8)
    digests = np.empty((len(starts) - 1, 2), dtype=np.uint64)
    for number in range(len(starts) - 1):
        size = starts[number + 1] - starts[number]
        text[:size] = data[starts[number] : starts[number + 1]]
        for half in range(2):
            digests[number, half] = xxh64(text, words, size, seeds[number, half])
    return digests


@compiled
def digest_words(data: U8, starts: I64, longest: int, table: U8) -> tuple[U64, I64, I64]:
    """Digests and counts texts with every run of whitespace as one space, and none at either end.

    Args:
        data: Texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        longest: Bytes of the longest.
        table: From `spacing_table`.

    Returns:
        uint64[n, 2], the XXH64 of each under the seeds 0 and 1; int64[n], bytes; int64[n], characters.
    """
    count = len(starts) - 1
    words, spaced_words = np.empty(longest // 8 + 9, dtype=np.uint64), np.empty(longest // 8 + 9, dtype=np.uint64)
    squeezed, spaced = words.view(np.uint8), spaced_words.view(np.uint8)
    digests = np.empty((count, 2), dtype=np.uint64)
    sizes, characters = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for number in range(count):
        size = squeeze_one(data, starts[number], starts[number + 1], table, squeezed, spaced, spaced_words)
        for half in range(2):
            digests[number, half] = xxh64(squeezed, words, size, np.uint64(half))
        following = 0
        for place in range(size):
            following += (squeezed[place] & 0xC0) == 0x80
        sizes[number] = size
        characters[number] = size - following
    return digests, sizes, characters
