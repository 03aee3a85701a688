"""The compiled loops over texts: tokens with their places in UTF-8, n-grams of them, what cutting made.

Compiling takes a few CPU seconds once per machine; afterwards loading from numba's cache takes half a second a process.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tasks.arrays.utf8 import I64, U8, U32, U64, compiled

BEGINS = 1
"""Edge of a token: it stands at the beginning of a text, line or sentence."""

ENDS = 2
"""Edge of a token: it stands at the end of a text, line or sentence."""

_PLANES = 2
_TABLE_SIZE = _PLANES << 16
_END_OF_IDEOGRAPHS = 4 << 16  # planes 2 and 3 hold ideographs only

# Entries of the table below the first digit (0x30) are kinds of separators, as bits.
_LETTERS_FROM = np.uint32(0x30)
_SPACE, _BREAK, _STOP, _WIDE_STOP = 1, 2, 4, 8
_SINGLE = np.uint32(1 << 31)
_POINT = np.uint32(_SINGLE - 1)

_SINGLE_RANGES = (  # ideographs and kana: a character is a token
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3041, 0x30FF),
    (0x3105, 0x312F),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
)

_TOKEN_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_GRAM_FACTOR = np.uint64(0xD6E8FEB86659FD93)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_S29 = np.uint64(29)
_S32 = np.uint64(32)
_S33 = np.uint64(33)


@cache
def folding_table() -> U32:
    """Returns for each code point of the first planes what it counts as.

    A letter or digit counts as its lower case, with the highest bit set where it is a token by itself; anything else
    is a separator, of which line breaks, spaces and sentence ends are told apart.
    """
    table = np.zeros(_TABLE_SIZE, dtype=np.uint32)
    for point in range(_TABLE_SIZE):
        character = chr(point)
        if character.isalnum():
            lower = character.lower()
            table[point] = ord(lower) if len(lower) == 1 else point
        elif character.isspace():
            table[point] = _BREAK if character in "\n\r\v\f\x85\u2028\u2029" else _SPACE
    for character in ".!?":
        table[ord(character)] = _STOP
    for character in "。！？；…｡":
        table[ord(character)] = _WIDE_STOP
    for first, last in _SINGLE_RANGES:
        inside = table[first : last + 1]
        inside[inside >= _LETTERS_FROM] |= _SINGLE
    return table


@compiled
def tokenize(data: U8, starts: I64, table: U32) -> tuple[U64, I64, I64, U8, I64]:
    """Finds the tokens of many texts.

    Args:
        data: The texts in UTF-8, one after the other.
        starts: int64[n + 1], where each begins and the last one ends.
        table: From `folding_table`.

    Returns:
        Of each token its hash, its first character in its text, one past its last, and its edges (`BEGINS`, `ENDS`);
        and int64[n + 1], the number of tokens before each text.
    """
    count = len(starts) - 1
    room = starts[count] - starts[0]
    hashes = np.empty(room, dtype=np.uint64)
    begins = np.empty(room, dtype=np.int64)
    ends = np.empty(room, dtype=np.int64)
    edges = np.zeros(room, dtype=np.uint8)
    before = np.zeros(count + 1, dtype=np.int64)
    used = 0
    for number in range(count):
        first = used
        inside = False
        gap = np.uint32(0)
        place = starts[number]
        finish = starts[number + 1]
        character = -1
        while place < finish:
            character += 1
            point = np.int64(data[place])
            place += 1
            if point >= 0xC0:
                size = 3 if point >= 0xF0 else (2 if point >= 0xE0 else 1)
                point &= 0x3F >> size
                for following in range(size):
                    point = (point << 6) | (np.int64(data[place + following]) & 0x3F)
                place += size
            if point < _TABLE_SIZE:
                folded = table[point]
            elif point < _END_OF_IDEOGRAPHS:
                folded = np.uint32(point) | _SINGLE
            else:
                folded = np.uint32(0)
            if folded < _LETTERS_FROM:
                inside = False
                gap |= folded
                continue
            single = folded >= _SINGLE
            if single or not inside:
                hashes[used] = 0
                begins[used] = character
                apart = (gap & np.uint32(_BREAK | _WIDE_STOP)) != 0
                apart |= (gap & np.uint32(_STOP)) != 0 and (gap & np.uint32(_SPACE)) != 0
                if used == first or apart:
                    edges[used] = BEGINS
                    if used > first:
                        edges[used - 1] |= ENDS
                gap = np.uint32(0)
                used += 1
            mixed = (hashes[used - 1] ^ np.uint64(folded & _POINT)) * _TOKEN_FACTOR
            hashes[used - 1] = mixed ^ (mixed >> _S32)
            ends[used - 1] = character + 1
            inside = not single
        if used > first:
            edges[used - 1] |= ENDS
        before[number + 1] = used
    return hashes[:used], begins[:used], ends[:used], edges[:used], before


@compiled
def ngrams(hashes: U64, edges: U8, before: I64, length: int, least: int, whole: bool) -> tuple[U64, I64, U8, I64]:
    """Hashes all rows of `length` tokens of each text, and shorter ones that stand for themselves.

    Those are, of an evaluation text (`whole`) that has `least` tokens or more but fewer than `length`, the whole text;
    of training texts all rows of that many tokens from the beginning to the end of a line, sentence or text.

    Returns:
        Hashes, the first token of each, the number of its tokens, and int64[n + 1], how many come before each text.
    """
    count = len(before) - 1
    room = len(hashes)
    if not whole:
        for token in range(len(hashes)):
            if edges[token] & BEGINS:
                room += length - least
    values = np.empty(room, dtype=np.uint64)
    firsts = np.empty(room, dtype=np.int64)
    sizes = np.empty(room, dtype=np.uint8)
    ahead = np.zeros(count + 1, dtype=np.int64)
    powers = np.ones(length + 1, dtype=np.uint64)
    for power in range(length):
        powers[power + 1] = powers[power] * _GRAM_FACTOR
    sums = np.zeros(length + 1, dtype=np.uint64)  # of the tokens so far, as a ring
    used = 0
    for number in range(count):
        begin = before[number]
        end = before[number + 1]
        total = end - begin
        sums[0] = 0
        for step in range(1, total + 1):
            last = begin + step - 1
            now = sums[(step - 1) % (length + 1)] * _GRAM_FACTOR + hashes[last]
            sums[step % (length + 1)] = now
            if step >= length:
                mixed = now - sums[(step - length) % (length + 1)] * powers[length]
                mixed = ((mixed ^ np.uint64(length)) ^ (mixed >> _S33)) * _MIX_1
                mixed = (mixed ^ (mixed >> _S29)) * _MIX_2
                values[used] = mixed ^ (mixed >> _S32)
                firsts[used] = last - length + 1
                sizes[used] = length
                used += 1
            if not edges[last] & ENDS:
                continue
            if whole and (step < total or total >= length):
                continue
            for size in range(least, min(step, length - 1) + 1):
                if not edges[last - size + 1] & BEGINS or (whole and size < total):
                    continue
                mixed = now - sums[(step - size) % (length + 1)] * powers[size]
                mixed = ((mixed ^ np.uint64(size)) ^ (mixed >> _S33)) * _MIX_1
                mixed = (mixed ^ (mixed >> _S29)) * _MIX_2
                values[used] = mixed ^ (mixed >> _S32)
                firsts[used] = last - size + 1
                sizes[used] = size
                used += 1
        ahead[number + 1] = used
    return values[:used], firsts[:used], sizes[:used], ahead


@compiled
def checks(firsts: I64, sizes: U8, tokens: U64) -> U64:
    """Returns a second hash of some n-grams, unrelated to the first: together they are 128 bits, which is proof enough.

    Args:
        firsts: int64[n], first token of each.
        sizes: uint8[n], tokens of each.
        tokens: uint64, hashes of all tokens.
    """
    found = np.empty(len(firsts), dtype=np.uint64)
    for number in range(len(firsts)):
        mixed = np.uint64(sizes[number])
        for token in range(firsts[number], firsts[number] + np.int64(sizes[number])):
            mixed = (mixed ^ tokens[token]) * _MIX_1
            mixed ^= mixed >> _S29
        found[number] = mixed
    return found


@compiled
def once_a_text(values: U64, ahead: I64) -> tuple[I64, U32]:
    """Returns the places of the hashes of each text without repetitions inside it, and which text each is of."""
    found = np.empty(len(values), dtype=np.int64)
    texts = np.empty(len(values), dtype=np.uint32)
    used = 0
    room = 16
    slots = np.zeros(room, dtype=np.uint64)
    for number in range(len(ahead) - 1):
        begin, end = ahead[number], ahead[number + 1]
        while room < 2 * (end - begin):
            room *= 2
        if len(slots) < room:
            slots = np.zeros(room, dtype=np.uint64)
        width = 16
        while width < 2 * (end - begin):
            width *= 2
        slots[:width] = 0
        for place in range(begin, end):
            value = values[place]
            slot = value & np.uint64(width - 1)
            while slots[slot] != 0 and slots[slot] != value:
                slot = (slot + np.uint64(1)) & np.uint64(width - 1)
            if slots[slot] != value or value == 0:
                slots[slot] = value
                found[used] = place
                texts[used] = number
                used += 1
    return found[:used], texts[:used]


@compiled
def made(values: U64, ahead: I64, originals: I64, before: U64, before_ahead: I64) -> I64:
    """Returns the places of the hashes of each text that did not stand in what the text was made from.

    Args:
        values: Hashes of the texts.
        ahead: int64[n + 1], how many come before each text.
        originals: int64[n], which original each text was made from.
        before: Hashes of the originals.
        before_ahead: int64[m + 1], how many come before each original.
    """
    found = np.empty(len(values), dtype=np.int64)
    used = 0
    slots = np.zeros(16, dtype=np.uint64)
    for number in range(len(ahead) - 1):
        begin, end = before_ahead[originals[number]], before_ahead[originals[number] + 1]
        width = 16
        while width < 2 * (end - begin):
            width *= 2
        if len(slots) < width:
            slots = np.zeros(width, dtype=np.uint64)
        slots[:width] = 0
        zero = False
        for place in range(begin, end):
            value = before[place]
            slot = value & np.uint64(width - 1)
            while slots[slot] != 0 and slots[slot] != value:
                slot = (slot + np.uint64(1)) & np.uint64(width - 1)
            slots[slot] = value
            zero |= value == 0
        for place in range(ahead[number], ahead[number + 1]):
            value = values[place]
            slot = value & np.uint64(width - 1)
            while slots[slot] != 0 and slots[slot] != value:
                slot = (slot + np.uint64(1)) & np.uint64(width - 1)
            if slots[slot] != value or (value == 0 and not zero):
                found[used] = place
                used += 1
    return found[:used].copy()
