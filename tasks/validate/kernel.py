"""The compiled loops of validation: one pass over each text, and the comparison of what that pass keeps of it.

They share no code with deduplication, whose work they check. Everything that numba compiles is in this module:
compiling takes some seconds once per machine, loading from the cache half a second per process.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays.utf8 import F32, I32, I64, U8, U32, U64, compiled

Int = Any
"""A whole number of 64 bits: an `int` here, an `np.int64` once compiled."""

SKETCH = 32
"""Values in a sketch, 4 bytes each. The similarity of two sketches errs by 0.09 at most (one standard deviation)."""

EMPTY = np.uint32(0xFFFFFFFF)
"""Fills a sketch of fewer values."""

AT_SIGN, LONG_NUMBER, ACCOUNT, ADDRESS = 1, 2, 4, 8
"""Marks of texts that may hold an e-mail address, a long number, a bank account (IBAN), or an IP address."""

LONG_NUMBER_DIGITS = 11
"""Digits in a row, single spaces and hyphens between them allowed: the least that a telephone number has."""

_TABLE_POINTS = 0x20000  # planes 0 and 1; planes 2 and 3 are ideographs, the rest has no letters
_IDEOGRAPHS_END = 0x40000
_SEPARATOR, _SPACE = 0, 1

_OTHER, _DIGIT, _UPPER, _LOWER, _AT, _DOT, _JOINT = range(7)

_LETTER_FACTOR = np.uint64(0x100000001B3)  # FNV-1a, 64 bits
_LETTER_START = np.uint64(0xCBF29CE484222325)
_TOKEN_FACTOR = np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S32 = np.uint64(32)
_S29 = np.uint64(29)
_S8 = np.uint64(8)
_ONE = np.uintp(1)
_SEVEN_LETTERS = np.uint64(0x00FFFFFFFFFFFFFF)


@cache
def letters() -> U32:
    """Returns, for each code point of the first planes, its letter or digit lower-cased, 1 for whitespace, else 0."""
    table = np.zeros(_TABLE_POINTS, dtype=np.uint32)
    for point in range(_TABLE_POINTS):
        character = chr(point)
        if character.isalnum():
            lower = character.lower()
            table[point] = ord(lower) if len(lower) == 1 else point
        elif character.isspace() and not 0x1C <= point <= 0x1F:  # Unicode does not count those as White_Space
            table[point] = _SPACE
    return table


@cache
def ascii_classes() -> U8:
    """Returns the class of each ASCII character in numbers and addresses."""
    table = np.full(128, _OTHER, dtype=np.uint8)
    for point in range(128):
        character = chr(point)
        if character.isdigit():
            table[point] = _DIGIT
        elif character.isupper():
            table[point] = _UPPER
        elif character.islower():
            table[point] = _LOWER
    table[ord("@")], table[ord(".")] = _AT, _DOT
    table[ord(" ")] = table[ord("-")] = _JOINT
    return table


@compiled
def _inserted(sketch: U32, used: int, value: np.uint32) -> int:
    """Puts a value into a sorted sketch unless it stands there, and returns how many the sketch has then."""
    place = used
    while place > 0 and sketch[place - 1] > value:
        place -= 1
    if place > 0 and sketch[place - 1] == value:
        return used
    last = min(used, len(sketch) - 1)
    for following in range(last, place, -1):
        sketch[following] = sketch[following - 1]
    if place < len(sketch):
        sketch[place] = value
    return min(used + 1, len(sketch))


@compiled
def _point(data: U8, place: Int) -> tuple[Int, int]:
    """Returns the code point at a place, and its bytes."""
    byte = np.int64(data[place])
    if byte < 0x80:
        return byte, 1
    if byte < 0xE0:
        return (byte & 0x1F) << 6 | (np.int64(data[place + 1]) & 0x3F), 2
    if byte < 0xF0:
        upper = (byte & 0x0F) << 12 | (np.int64(data[place + 1]) & 0x3F) << 6
        return upper | (np.int64(data[place + 2]) & 0x3F), 3
    upper = (byte & 0x07) << 18 | (np.int64(data[place + 1]) & 0x3F) << 12
    return upper | (np.int64(data[place + 2]) & 0x3F) << 6 | (np.int64(data[place + 3]) & 0x3F), 4


@compiled
def _folded(point: Int, table: U32) -> Int:
    """Returns the letter or digit that a code point counts as; 1 for whitespace, 0 for any other separator."""
    if point < _TABLE_POINTS:
        return np.int64(table[point])
    return point if point < _IDEOGRAPHS_END else _SEPARATOR


@compiled
def _words(data: U8, place: Int, end: Int, table: U32, tokens: U64) -> tuple[Int, int]:
    """Writes the hashes of the words from a place on, until `tokens` is full; returns where it stopped, and how many.

    Letters below 128 are multiplied in eight at a time.
    """
    found = 0
    token = _LETTER_START
    packed = np.uint64(0)
    inside = False
    at, stop = np.uintp(place), np.uintp(end)  # unsigned, so that no index is tested for being negative
    while at < stop:
        byte = data[at]
        if byte < 0x80:
            at += _ONE
            folded = np.uint64(table[byte])
            if folded > _SPACE:
                packed = (packed << _S8) | folded
                if packed > _SEVEN_LETTERS:
                    token = (token ^ packed) * _LETTER_FACTOR
                    packed = np.uint64(0)
                inside = True
                continue
        else:
            point, size = _point(data, np.int64(at))
            at += np.uintp(size)
            letter = _folded(point, table)
            if letter > _SPACE:
                token = (token ^ packed) * _LETTER_FACTOR
                token = (token ^ np.uint64(letter)) * _TOKEN_FACTOR
                packed = np.uint64(0)
                inside = True
                continue
        if inside:
            token = (token ^ packed) * _LETTER_FACTOR
            tokens[found] = (token ^ (token >> _S29)) * _MIX
            found += 1
            token = _LETTER_START
            packed = np.uint64(0)
            inside = False
            if found == len(tokens):
                return np.int64(at), found
    if inside:
        token = (token ^ packed) * _LETTER_FACTOR
        tokens[found] = (token ^ (token >> _S29)) * _MIX
        found += 1
    return np.int64(at), found


@compiled
def _characters(data: U8, place: Int, end: Int, table: U32, tokens: U64) -> tuple[Int, int]:
    """As `_words`, but of single letters and digits."""
    found = 0
    while place < end and found < len(tokens):
        point, size = _point(data, place)
        place += size
        letter = _folded(point, table)
        if letter > _SPACE:
            token = (_LETTER_START ^ np.uint64(letter)) * _LETTER_FACTOR
            tokens[found] = (token ^ (token >> _S29)) * _MIX
            found += 1
    return place, found


@compiled
def _whole(data: U8, begin: Int, end: Int, table: U32) -> np.uint64:
    """Returns the hash of a text's bytes without outer ASCII whitespace, every run of it inside as one space."""
    hashed = _LETTER_START
    gap = False
    begun = False
    for place in range(begin, end):
        byte = data[place]
        if byte < 0x80 and table[byte] == _SPACE:
            gap = begun
            continue
        if gap:
            hashed = (hashed ^ np.uint64(0x20)) * _LETTER_FACTOR
            gap = False
        begun = True
        hashed = (hashed ^ np.uint64(byte)) * _LETTER_FACTOR
    return hashed


@compiled
def _length(data: U8, begin: Int, end: Int, table: U32) -> int:
    """Returns the characters of a text without outer whitespace."""
    while begin < end:
        point, size = _point(data, begin)
        if _folded(point, table) != _SPACE:
            break
        begin += size
    while begin < end:
        last = end - 1
        while data[last] & 0xC0 == 0x80:
            last -= 1
        if _folded(_point(data, last)[0], table) != _SPACE:
            break
        end = last
    length = 0
    for byte in data[begin:end]:
        length += (byte & 0xC0) != 0x80
    return length


@compiled
def _replaced(data: U8, begin: Int, end: Int) -> int:
    """Returns how many U+FFFD a text holds."""
    some = 0
    for byte in data[begin:end]:  # no index that might be negative: the loop becomes one of vectors
        some += byte == 0xEF
    found = 0
    if some:
        for place in range(begin, end - 2):
            found += data[place] == 0xEF and data[place + 1] == 0xBF and data[place + 2] == 0xBD
    return found


@compiled
def _marks(data: U8, begin: Int, end: Int, classes: U8) -> int:
    """Returns what a text may hold, of `AT_SIGN`, `LONG_NUMBER`, `ACCOUNT` and `ADDRESS`."""
    signs = figures = 0
    for byte in data[begin:end]:
        signs += byte == 0x40
        figures += (byte >= 0x30) & (byte <= 0x39)
    mark = AT_SIGN if signs else 0
    if figures < 4:  # the least that an address has
        return mark
    place = begin
    while place < end:
        if not 0x30 <= data[place] <= 0x39:
            place += 1
            continue
        # Two capitals that begin a word, and two digits.
        if place - begin >= 2 and place + 1 < end and 0x30 <= data[place + 1] <= 0x39:
            capitals = 0
            while capitals < 3 and place - capitals > begin and 0x41 <= data[place - capitals - 1] <= 0x5A:
                capitals += 1
            before = place - 3
            opens = before < begin or data[before] >= 0x80 or classes[data[before]] in (_OTHER, _JOINT)
            if capitals == 2 and opens:
                mark |= ACCOUNT
        digits = 0
        dots = 0
        while place < end:
            byte = data[place]
            following = place + 1 < end and 0x30 <= data[place + 1] <= 0x39
            if 0x30 <= byte <= 0x39:
                digits += 1
            elif following and byte == 0x2E:
                dots += 1
                digits = 0
            elif following and (byte == 0x20 or byte == 0x2D):
                dots = 0
            else:
                break
            place += 1
            if digits >= LONG_NUMBER_DIGITS:
                mark |= LONG_NUMBER
            if dots >= 3:
                mark |= ADDRESS
    return mark


@compiled
def scan(
    data: U8,
    starts: I64,
    by_character: npt.NDArray[np.bool_],
    table: U32,
    classes: U8,
    words: int,
    characters: int,
    sketches: U32,
    lengths: I32,
    replaced: I32,
    marks: U8,
    shingles: U64,
) -> I64:
    """Measures texts.

    A token is a run of letters and digits, lower-cased, or one such character where `by_character`; a shingle is so
    many tokens in a row. A text of fewer tokens has one shingle: its bytes, every run of whitespace as one space.

    Args:
        data: Texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        by_character: bool[n], whether a text's tokens are characters.
        table: From `letters`.
        classes: From `ascii_classes`.
        words: Tokens in a shingle of words.
        characters: Tokens in a shingle of characters.
        sketches: uint32[n, SKETCH], filled with each text's least shingle hashes, ascending, then `EMPTY`.
        lengths: int32[n], filled with the characters of the text without outer whitespace.
        replaced: int32[n], filled with the number of U+FFFD.
        marks: uint8[n], filled with what the text may hold.
        shingles: Filled with the whole hashes of all shingles, text after text; of length 0 where they are not wanted.

    Returns:
        int64[n + 1] offsets of each text into `shingles`.
    """
    count = len(starts) - 1
    offsets = np.zeros(count + 1, dtype=np.int64)
    recent = np.zeros(64, dtype=np.uint64)
    tokens = np.empty(1024, dtype=np.uint64)  # few enough for the first-level cache
    keep = len(shingles) > 0
    found = 0
    for number in range(count):
        begin, end = starts[number], starts[number + 1]
        length = characters if by_character[number] else words
        leaving = np.uint64(1)
        for _ in range(length):
            leaving *= _TOKEN_FACTOR
        sketch = sketches[number]
        sketch[:] = EMPTY
        used = 0
        limit = EMPTY
        total = 0
        slot = 0
        rolling = np.uint64(0)
        place = begin
        while place < end:
            if by_character[number]:
                place, inside = _characters(data, place, end, table, tokens)
            else:
                place, inside = _words(data, place, end, table, tokens)
            for token in tokens[:inside]:
                rolling = rolling * _TOKEN_FACTOR + token
                if total >= length:
                    rolling -= recent[slot] * leaving
                recent[slot] = token
                slot += 1
                if slot == length:
                    slot = 0
                total += 1
                if total >= length:
                    hashed = (rolling ^ (rolling >> _S32)) * _MIX
                    hashed ^= hashed >> _S29
                    if keep:
                        shingles[found] = hashed
                        found += 1
                    value = np.uint32(hashed >> _S32)
                    if value < limit:
                        used = _inserted(sketch, used, value)
                        if used == len(sketch):
                            limit = sketch[used - 1]
        lengths[number] = _length(data, begin, end, table)
        if total < length and lengths[number]:
            whole = _whole(data, begin, end, table)
            hashed = (whole ^ (whole >> _S32)) * _MIX
            hashed ^= hashed >> _S29
            if keep:
                shingles[found] = hashed
                found += 1
            _inserted(sketch, 0, np.uint32(hashed >> _S32))
        offsets[number + 1] = found
        replaced[number] = _replaced(data, begin, end)
        marks[number] = _marks(data, begin, end, classes)
    return offsets


@compiled
def resemblance(left: U32, right: U32) -> float:
    """Returns the estimated Jaccard similarity of two sketches: exact for texts of no more shingles than it holds."""
    width = len(left)
    a = b = seen = shared = 0
    while seen < width:
        one = left[a] if a < width else EMPTY
        other = right[b] if b < width else EMPTY
        if one == EMPTY and other == EMPTY:
            break
        seen += 1
        if one == other:
            shared += 1
            a += 1
            b += 1
        elif one < other:
            a += 1
        else:
            b += 1
    return shared / seen if seen else 0.0


@compiled
def neighbours(
    sketches: U32,
    ranks: U64,
    split: int,
    file: int,
    indexed: U32,
    splits: U8,
    values: U32,
    owners: I32,
    buckets: I64,
    shift: int,
    least: float,
    seen: I32,
    estimates: F32,
    best: U64,
    places: I32,
) -> None:
    """Finds for indexed documents those of a file of another split whose sketches resemble theirs most.

    Args:
        sketches: uint32[n, SKETCH] of the file's documents.
        ranks: uint64[n], of equal ones the least goes first: no order of files then decides.
        split: Their split.
        file: Number of the file.
        indexed: uint32[m, SKETCH] of the indexed documents.
        splits: uint8[m], theirs.
        values: uint32, sketch values by which they are found, ascending.
        owners: int32, the indexed document of each value.
        buckets: int64, where the values begin whose upper bits are 0, 1, 2, …
        shift: Lower bits of a value that its bucket leaves out.
        least: Less similar ones are left out.
        seen: int32[m], any numbers below 0.
        estimates: float32[m, k], altered: similarity of the k most similar so far, descending; below 0 for none.
        best: uint64[m, k], altered: their ranks.
        places: int32[m, k, 2], altered: their files and rows.
    """
    width = estimates.shape[1]
    for document in range(len(sketches)):
        sketch = sketches[document]
        rank = ranks[document]
        for place in range(len(sketch)):
            value = sketch[place]
            if value == EMPTY:
                break
            bucket = value >> shift
            for entry in range(buckets[bucket], buckets[bucket + 1]):
                if values[entry] != value:
                    continue
                owner = owners[entry]
                if seen[owner] == document or splits[owner] == split:
                    continue
                seen[owner] = document
                estimate = np.float32(resemblance(sketch, indexed[owner]))
                at = width
                while at > 0 and (
                    estimates[owner, at - 1] < estimate
                    or (estimates[owner, at - 1] == estimate and best[owner, at - 1] > rank)
                ):
                    at -= 1
                if estimate < least or at == width:
                    continue
                for following in range(width - 1, at, -1):
                    estimates[owner, following] = estimates[owner, following - 1]
                    best[owner, following] = best[owner, following - 1]
                    places[owner, following, 0] = places[owner, following - 1, 0]
                    places[owner, following, 1] = places[owner, following - 1, 1]
                estimates[owner, at] = estimate
                best[owner, at] = rank
                places[owner, at, 0] = file
                places[owner, at, 1] = document


@compiled
def similarity(left: U64, right: U64) -> float:
    """Returns the Jaccard similarity of two sets of shingles, each sorted and without repetitions."""
    a = b = shared = 0
    while a < len(left) and b < len(right):
        if left[a] == right[b]:
            shared += 1
            a += 1
            b += 1
        elif left[a] < right[b]:
            a += 1
        else:
            b += 1
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


assert sys.maxunicode >= _IDEOGRAPHS_END
