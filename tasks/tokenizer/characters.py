"""Which characters get a piece of their own, decided language by language.

SentencePiece knows one coverage for the whole text, so that the language with most text decides what is rare in the
other. Here each language's most frequent characters up to its own coverage are counted, their union is covered, and the
text is cut at all others before SentencePiece sees it, which would not let a piece reach across them either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

_CODE_POINTS = 0x110000
_CHUNK_CHARACTERS = 1 << 18
_NEWLINE = ord("\n")
_REFUSED = "\0\u2585"
"""SentencePiece skips every line with one of these: its mark of an unknown character, and the end of a C string."""


def count_characters(texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """Returns how often each code point stands in the texts: int64[0x110000]."""
    counts = np.zeros(_CODE_POINTS, dtype=np.int64)
    for chunk in _chunks(texts):
        found = np.bincount(_codes(chunk))
        counts[: len(found)] += found
    return counts


def utf8_bytes(counts: npt.NDArray[np.int64]) -> int:
    """Returns how many bytes the counted characters take in UTF-8."""
    return int(sum(counts[start:].sum() for start in (0, 0x80, 0x800, 0x10000)))


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
    is_uncovered = np.zeros(_CODE_POINTS, dtype=bool)
    is_uncovered[[ord(character) for character in uncovered]] = True
    chunks = (_cut(chunk, is_uncovered, max_bytes) for chunk in _chunks(texts, "\n"))
    return filter(None, chain.from_iterable(chunks))


def _cut(text: str, is_uncovered: npt.NDArray[np.bool_], max_bytes: int) -> list[bytes]:
    # Nearly always every ASCII character but NUL is covered, and a large part of the text is ASCII alone.
    covered = text.isascii() and "\0" not in text and not is_uncovered[1:0x80].any()
    if not covered and len(places := np.flatnonzero(is_uncovered[_codes(text)])):
        bounds = [-1, *places.tolist(), len(text)]
        text = "\n".join([text[before + 1 : after] for before, after in pairwise(bounds)])
    lines = text.encode().split(b"\n")
    sizes = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
    for number in np.flatnonzero(sizes > max_bytes)[::-1].tolist():
        lines[number : number + 1] = _pieces(lines[number], max_bytes)
    return lines


def _codes(text: str) -> npt.NDArray[np.uint32] | npt.NDArray[np.uint8]:
    """Returns the code points of a text."""
    if text.isascii():
        return np.frombuffer(text.encode(), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


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
    """Joins texts to strings that are long enough for work on arrays to be worth its while, plain ASCII by itself."""
    chunks: tuple[list[str], list[str]] = ([], [])
    sizes = [0, 0]
    for text in texts:
        plain = text.isascii()
        chunks[plain].append(text)
        sizes[plain] += len(text)
        if sizes[plain] >= _CHUNK_CHARACTERS:
            yield between.join(chunks[plain])
            chunks[plain].clear()
            sizes[plain] = 0
    for chunk in chunks:
        yield between.join(chunk)
