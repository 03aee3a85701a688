"""Which characters get a piece of their own, decided language by language.

SentencePiece knows one coverage for the whole text, so that the language with most text decides what is rare in the
other. Here each language's most frequent characters up to its own coverage are counted, their union is covered, and the
text is cut at all others before SentencePiece sees it, which would not let a piece reach across them either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

import numpy as np
import numpy.typing as npt

_CODE_POINTS = 0x110000
_CHUNK_CHARACTERS = 1 << 20
_NEWLINE = ord("\n")
_REFUSED = "\0\u2585"
"""SentencePiece skips every line with one of these: its mark of an unknown character, and the end of a C string."""


def count_characters(texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """Returns how often each code point stands in the texts: int64[0x110000]."""
    counts = np.zeros(_CODE_POINTS, dtype=np.int64)
    for chunk in _chunks(texts):
        found = np.bincount(np.frombuffer(chunk.encode("utf-32-le"), dtype="<u4"))
        counts[: len(found)] += found
    return counts


def uncovered_characters(counts: Mapping[str, npt.NDArray[np.int64]], coverage: Mapping[str, float]) -> set[str]:
    """Returns the characters that no language's coverage takes in, of those that occur.

    Args:
        counts: For each language what `count_characters` returns.
        coverage: Share of each language's characters to be covered; the most frequent ones, ties by code point.
    """
    covered = {code for language, counted in counts.items() for code in _most_frequent(counted, coverage[language])}
    seen = {int(code) for counted in counts.values() for code in np.flatnonzero(counted)}
    return {chr(code) for code in seen - covered - {_NEWLINE}} | set(_REFUSED)


def training_lines(texts: Iterable[str], uncovered: Collection[str], max_bytes: int) -> Iterator[bytes]:
    """Yields the lines of texts as SentencePiece's sentences, cut at uncovered characters and where they are too long.

    SentencePiece would skip longer lines. Newlines are a piece of their own and never part of another, so a line is all
    the context that a merge can have. Empty lines are left out.

    Args:
        texts: Whole texts.
        uncovered: What `uncovered_characters` returns.
        max_bytes: Longest line, in bytes of UTF-8; a character is never cut.
    """
    to_newline = np.arange(_CODE_POINTS, dtype="<u4")
    to_newline[[ord(character) for character in uncovered]] = _NEWLINE
    chunks = (_cut(chunk, to_newline, max_bytes) for chunk in _chunks(texts, "\n"))
    return filter(None, chain.from_iterable(chunks))


def _cut(text: str, to_newline: npt.NDArray[np.uint32], max_bytes: int) -> list[bytes]:
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    data = to_newline[codes].tobytes().decode("utf-32-le").encode()
    lines: list[bytes] = data.split(b"\n")
    ends = np.flatnonzero(np.frombuffer(data + b"\n", dtype=np.uint8) == _NEWLINE)
    for number in np.flatnonzero(np.diff(ends, prepend=-1) > max_bytes + 1)[::-1].tolist():
        lines[number : number + 1] = _pieces(lines[number], max_bytes)
    return lines


def _pieces(line: bytes, max_bytes: int) -> Iterator[bytes]:
    """Cuts a line between characters."""
    at = 0
    while at < len(line):
        end = min(at + max_bytes, len(line))
        while end < len(line) and line[end] & 0xC0 == 0x80:
            end -= 1
        yield line[at:end]
        at = end


def _most_frequent(counts: npt.NDArray[np.int64], coverage: float) -> list[int]:
    """Returns the fewest code points that make up the share `coverage` of all characters, the newline left out."""
    counts = counts.copy()
    counts[_NEWLINE] = 0
    codes = np.flatnonzero(counts)
    codes = codes[np.argsort(-counts[codes], kind="stable")]
    before = np.cumsum(counts[codes]) - counts[codes]
    wanted = codes[before < coverage * counts.sum()]
    return [int(code) for code in wanted]


def _chunks(texts: Iterable[str], between: str = "") -> Iterator[str]:
    """Joins texts to strings that are long enough for work on arrays to be worth its while."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size >= _CHUNK_CHARACTERS:
            yield between.join(chunk)
            chunk, size = [], 0
    yield between.join(chunk)
