"""The published rules' measures in plain Python, one document at a time: what the compiled loops must agree with."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from tasks.clean.kernels import BULLETS, CLOSING_MARKS, SENTENCE_MARKS, TERMINAL_MARKS

Gram = tuple[str, ...]


def is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] == "L" or is_single(char)


def is_single(char: str) -> bool:
    """Han and kana, as far as tests use them."""
    ranges = ("\u3005\u3007", "\u3041\u3096", "\u30a1\u30fa", "\u3400\u4dbf", "\u4e00\u9fff")
    return any(first <= char <= last for first, last in ranges)


def in_word(char: str) -> bool:
    return is_letter(char) or unicodedata.category(char)[0] in "NM"


def runs(text: str) -> list[str]:
    """Single characters, and runs of other letters and digits."""
    found: list[str] = []
    before = ""
    for char in text:
        if is_single(char):
            found.append(char)
        elif in_word(char):
            if before and in_word(before) and not is_single(before):
                found[-1] += char
            else:
                found.append(char)
        before = char
    return found


def units(text: str, language: str) -> list[str]:
    return runs(text) if language == "zh" else [unit for unit in re.split("[ \t\n]+", text) if unit]


def lines(text: str) -> list[str]:
    return [line for line in (line.strip(" \t") for line in text.split("\n")) if line]


def paragraphs(text: str) -> list[Gram]:
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip(" \t"):
            found[-1].append(line.strip(" \t"))
        else:
            found.append([])
    return [tuple(paragraph) for paragraph in found if paragraph]


def sentences(text: str) -> int:
    """Ends of sentences: marks with what closes behind them, Chinese ones anywhere, others before white space."""
    marks = re.escape(SENTENCE_MARKS)
    found = re.finditer(f"[{marks}][{marks}{re.escape(CLOSING_MARKS)}]*", text)
    return sum(
        any(mark in "。！？…" for mark in run.group()) or text[run.end() : run.end() + 1] in ("", " ", "\t", "\n")
        for run in found
    )


def repeated(items: list[Gram]) -> tuple[int, int]:
    """How many items stood before, and their characters."""
    seen: set[Gram] = set()
    count = size = 0
    for item in items:
        if item in seen:
            count += 1
            size += sum(map(len, item))
        seen.add(item)
    return count, size


def top_gram_size(found: list[str], n: int) -> int:
    grams = Counter(tuple(found[at : at + n]) for at in range(len(found) - n + 1))
    most = max(grams.values(), default=1)
    return 0 if most < 2 else most * max(sum(map(len, gram)) for gram, times in grams.items() if times == most)


def repeated_gram_size(found: list[str], n: int) -> int:
    seen: set[Gram] = set()
    at = size = 0
    while at + n <= len(found):
        gram = tuple(found[at : at + n])
        if gram in seen:
            size += sum(map(len, gram))
            at += n
        else:
            seen.add(gram)
            at += 1
    return size


def measures(text: str, language: str, short_line: int, stop_words: set[str]) -> dict[str, int]:
    found = units(text, language)
    words = [unit for unit in found if any(map(in_word, unit))]
    text_lines = lines(text)
    text_paragraphs = paragraphs(text)
    lowered = {"".join(c.lower() if c.isascii() else c for c in run) for run in runs(text)}
    dots = sum(len(run) // 3 for run in re.findall(r"\.+", text))
    ellipses = sum((len(run) + 1) // 2 if language == "zh" else len(run) for run in re.findall("…+", text))
    repeated_lines = repeated([(line,) for line in text_lines])
    repeated_paragraphs = repeated(text_paragraphs)
    return {
        "units": len(found),
        "rule_words": len(words),
        "letter_words": sum(any(map(is_letter, unit)) for unit in found),
        "word_size": sum(sum(map(in_word, unit)) for unit in found),
        "hashes": text.count("#"),
        "ellipses": dots + ellipses,
        "lines": len(text_lines),
        "bullet_lines": sum(line[0] in BULLETS for line in text_lines),
        "ellipsis_lines": sum(line.endswith(("...", "…")) for line in text_lines),
        "punctuated_lines": sum(line[-1] in TERMINAL_MARKS for line in text_lines),
        "short_lines": sum(len(line) <= short_line for line in text_lines),
        "line_size": sum(map(len, text_lines)),
        "repeated_lines": repeated_lines[0],
        "repeated_line_size": repeated_lines[1],
        "paragraphs": len(text_paragraphs),
        "repeated_paragraphs": repeated_paragraphs[0],
        "repeated_paragraph_size": repeated_paragraphs[1],
        "stop_words": len(lowered & stop_words),
        "unit_size": sum(map(len, found)),
        "newlines": text.count("\n"),
        "sentences": sentences(text),
    }
