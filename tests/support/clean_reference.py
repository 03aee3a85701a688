"""The published rules' measures in plain Python, one document at a time: what the compiled loops must agree with."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from functools import cache
from pydoc_data.topics import topics

import polars as pl
from token_stages import chinese_texts

from schemas.config.clean import UnicodeConfig
from schemas.config.quality import C4, Quality
from tasks.clean.lines import POLICIES
from tasks.clean.properties import BULLETS, CLOSING_MARKS, SENTENCE_MARKS, TERMINAL_MARKS
from tasks.text.characters import normalise

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


def c4_lines(text: str, language: str, rules: C4) -> str:
    """The text without the lines that C4's rules leave out, its layout as it is then."""
    kept = []
    for line in text.split("\n"):
        stripped = line.strip(" \t")
        words = [unit for unit in units(stripped, language) if any(map(in_word, unit))]
        lowered = "".join(char.lower() if char.isascii() else char for char in stripped)
        fails = (
            (rules.terminal_marks and not stripped.endswith(tuple(TERMINAL_MARKS)))
            or (rules.min_line_words is not None and len(words) < rules.min_line_words)
            or (rules.drop_javascript_lines and "javascript" in lowered)
            or (rules.drop_policy_lines and any(policy in lowered for policy in POLICIES))
        )
        if not stripped or not fails:
            kept.append(line)
    return text if len(kept) == text.count("\n") + 1 else re.sub("\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n")


def published_failures(text: str, language: str, quality: Quality) -> list[str]:
    """Every published rule that a text (as it is handed on) fails, in the rules' order."""
    gopher, repetition, c4, fineweb = (
        quality.gopher_quality,
        quality.gopher_repetition,
        quality.c4,
        quality.fineweb,
    )
    found = measures(text, language, fineweb.short_line_characters, set(gopher.stop_words))
    pieces = units(text, language)
    more: list[tuple[str, bool]] = []

    def at_most(reason: str, part: float, limit: float | None, whole: float) -> None:
        more.append((reason, limit is not None and part > limit * whole))

    def at_least(reason: str, part: float, limit: float | None, whole: float = 1) -> None:
        more.append((reason, limit is not None and part < limit * whole))

    if gopher.enabled:
        words = found["rule_words"]
        at_least("gopher_few_words", words, gopher.min_words)
        at_most("gopher_many_words", words, gopher.max_words, 1)
        at_least("gopher_word_length", found["word_size"], gopher.min_mean_word_length, words)
        at_most("gopher_word_length", found["word_size"], gopher.max_mean_word_length, words)
        at_most("gopher_hashes", found["hashes"], gopher.max_hash_word_ratio, words)
        at_most("gopher_ellipses", found["ellipses"], gopher.max_ellipsis_word_ratio, words)
        at_most("gopher_bullet_lines", found["bullet_lines"], gopher.max_bullet_line_share, found["lines"])
        at_most("gopher_ellipsis_lines", found["ellipsis_lines"], gopher.max_ellipsis_line_share, found["lines"])
        at_least("gopher_alphabetic_words", found["letter_words"], gopher.min_alphabetic_word_share, found["units"])
        at_least("gopher_stop_words", found["stop_words"], gopher.min_stop_words)
    if repetition.enabled:
        size = found["line_size"]
        limits = repetition
        at_most("gopher_duplicate_lines", found["repeated_lines"], limits.max_duplicate_line_share, found["lines"])
        at_most(
            "gopher_duplicate_line_characters",
            found["repeated_line_size"],
            limits.max_duplicate_line_character_share,
            size,
        )
        at_most(
            "gopher_duplicate_paragraphs",
            found["repeated_paragraphs"],
            limits.max_duplicate_paragraph_share,
            found["paragraphs"],
        )
        at_most(
            "gopher_duplicate_paragraph_characters",
            found["repeated_paragraph_size"],
            limits.max_duplicate_paragraph_character_share,
            size,
        )
    if c4.enabled:
        more.append(("c4_lorem_ipsum", c4.drop_lorem_ipsum and "lorem ipsum" in text.lower()))
        more.append(("c4_curly_bracket", c4.drop_curly_brackets and "{" in text))
        at_least("c4_few_sentences", found["sentences"], c4.min_sentences)
    if fineweb.enabled:
        at_least("fineweb_punctuation", found["punctuated_lines"], fineweb.min_punctuated_line_share, found["lines"])
        at_most("fineweb_short_lines", found["short_lines"], fineweb.max_short_line_share, found["lines"])
        at_most(
            "fineweb_duplicate_characters",
            found["repeated_line_size"],
            fineweb.max_duplicate_character_share,
            found["line_size"],
        )
        at_most("fineweb_newlines", found["newlines"], fineweb.max_newline_word_ratio, found["rule_words"])
    if repetition.enabled:
        for n, limit in sorted(repetition.max_top_ngram_share.items()):
            at_most(f"gopher_top_{n}_gram", top_gram_size(pieces, n), limit, found["unit_size"])
        for n, limit in sorted(repetition.max_duplicate_ngram_share.items()):
            at_most(f"gopher_duplicate_{n}_grams", repeated_gram_size(pieces, n), limit, found["unit_size"])
    return [reason for reason, failed in more if failed]


@cache
def real_texts() -> list[str]:
    """Texts that stand in any installation of Python, and generated Chinese."""
    raw = [topics[name] for name in sorted(topics)][:25] + chinese_texts(15) + [json.__doc__ or ""]
    return normalise(pl.Series(raw), UnicodeConfig())["text"].to_list()
