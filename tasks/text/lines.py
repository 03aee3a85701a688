"""Lines of normalised texts: found, hashed and taken out without looking at a text from Python.

A line is what stands between two newlines, without the spaces and tabs around it; lines without anything else are
none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays.utf8 import I64, U8, U64, Bools, compiled

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S29 = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of many texts, in order.

    Attributes:
        text: int64[lines], which text a line belongs to.
        begins: int64[lines], where it begins in the bytes, indentation left out.
        ends: int64[lines], where it ends, trailing white space left out.
        hashes: uint64[lines], equal for equal lines.
    """

    text: I64
    begins: I64
    ends: I64
    hashes: U64


def lines_of(data: U8, starts: I64) -> Lines:
    """Finds the lines of texts given as `as_bytes` gives them."""
    size = _count(data, starts)
    lines = Lines(
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.uint64),
    )
    _find(data, starts, lines.text, lines.begins, lines.ends, lines.hashes)
    return lines


def without_lines(data: U8, starts: I64, lines: Lines, unwanted: Bools) -> tuple[U8, I64]:
    """Returns the texts with the unwanted lines, and the newline behind each, taken out."""
    return _cut(data, starts, lines.begins[unwanted], lines.ends[unwanted], lines.text[unwanted])


@compiled
def _count(data: U8, starts: I64) -> int:
    found = 0
    for number in range(len(starts) - 1):
        blank = True
        for place in range(starts[number], starts[number + 1]):
            byte = data[place]
            if byte == 10:
                blank = True
            elif blank and byte != 32 and byte != 9:
                blank = False
                found += 1
    return found


@compiled
def _find(data: U8, starts: I64, text: I64, begins: I64, ends: I64, hashes: U64) -> None:
    line = 0
    for number in range(len(starts) - 1):
        place = starts[number]
        end = starts[number + 1]
        while place < end:
            stop = place
            while stop < end and data[stop] != 10:
                stop += 1
            first = place
            while first < stop and (data[first] == 32 or data[first] == 9):
                first += 1
            last = stop
            while last > first and (data[last - 1] == 32 or data[last - 1] == 9):
                last -= 1
            if last > first:
                value = np.uint64(last - first)
                for index in range(first, last):
                    value = (value ^ np.uint64(data[index])) * _MULTIPLIER
                    value ^= value >> _S29
                value *= _MIX
                text[line] = number
                begins[line] = first
                ends[line] = last
                hashes[line] = value ^ (value >> _S29)
                line += 1
            place = stop + 1


@compiled
def _cut(data: U8, starts: I64, begins: I64, ends: I64, text: I64) -> tuple[U8, I64]:
    kept = np.empty(starts[-1] - starts[0], dtype=np.uint8)
    bounds = np.zeros(len(starts), dtype=np.int64)
    size = 0
    line = 0
    for number in range(len(starts) - 1):
        place = starts[number]
        end = starts[number + 1]
        while line < len(text) and text[line] == number:
            first = begins[line]
            while first > starts[number] and data[first - 1] != 10:
                first -= 1
            for index in range(place, first):
                kept[size] = data[index]
                size += 1
            place = ends[line]
            while place < end and data[place] != 10:
                place += 1
            place = min(place + 1, end)
            line += 1
        for index in range(place, end):
            kept[size] = data[index]
            size += 1
        bounds[number + 1] = size
    return kept[:size], bounds
