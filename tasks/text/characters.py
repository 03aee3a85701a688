"""Makes characters and white space uniform, as Polars expressions over whole columns.

What stays: newlines, indentation, tabs, the alignment inside lines (tables and code live by it), Chinese punctuation,
zero-width joiners (they hold emoji together). The order of the steps makes the whole idempotent: what is invisible goes
before what depends on neighbours, composition comes after all removals.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from schemas.config.clean import UnicodeConfig
from tasks.text import mojibake
from tasks.text.han import simplify

_OVERSTRIKE = r"[^\n]\x08"  # bold and underlined text of terminals
_ESCAPE_SEQUENCE = r"\x1b\[[0-9;?]*[A-Za-z]"
_INVISIBLE = (
    r"[\x00-\x08\x0e-\x1f\x7f\u{180e}\u{200b}\u{200c}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}"
    r"\u{feff}\u{fff9}-\u{fffb}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}\u{e0000}-\u{e007f}]"
)
# Bytes of a wrongly decoded text may look like these, so they go after the repair:
_INVISIBLE_LATIN_1 = r"[\u{80}-\u{84}\u{86}-\u{9f}\u{ad}]"
_PRIVATE_USE = r"\p{Co}"
_DAMAGED = r"[\p{Co}\u{fffd}]"
_NEWLINE = r"\r\n?|[\x0b\x0c\u{85}\u{2028}\u{2029}]"
_PARAGRAPH_INDENT = r"(?m)^\u{3000}+"  # layout of Chinese print
_SPACE = r"[\u{a0}\u{1680}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}]"

_FULL_WIDTH = {
    chr(code + 0xFEE0): chr(code)
    for first, last in (("0", "9"), ("A", "Z"), ("a", "z"))
    for code in range(ord(first), ord(last) + 1)
}

_MAX_ROUNDS = 8
"""Each round of repair makes a text shorter or drops control characters; two were the most ever seen."""


def damaged_characters(texts: pl.Series) -> pl.Series:
    """Counts replacement characters and private-use characters (int64)."""
    return texts.str.count_matches(_DAMAGED).cast(pl.Int64)


def normalise(texts: pl.Series, config: UnicodeConfig) -> pl.DataFrame:
    """Brings texts into normal form; doing it again changes nothing.

    Returns:
        `text`, and `repaired`: whether a wrong encoding was undone.
    """
    texts, repaired = _pass(texts, config)
    if not config.repair_mojibake:
        return pl.DataFrame({"text": texts, "repaired": repaired})
    # A removed character may have hidden a broken sequence. Only the few texts that still look broken go again.
    for _ in range(_MAX_ROUNDS):
        rows = mojibake.suspects(texts).arg_true()
        again, changed = _pass(texts.gather(rows), config)
        if again.equals(texts.gather(rows)):
            break
        texts = texts.scatter(rows, again)
        repaired = repaired.scatter(rows, repaired.gather(rows) | changed)
    return pl.DataFrame({"text": texts, "repaired": repaired})


def _pass(texts: pl.Series, config: UnicodeConfig) -> tuple[pl.Series, pl.Series]:
    texts = _apply(texts, _without_invisible)
    before = texts
    if config.repair_mojibake:
        texts = mojibake.repair(texts)
    repaired = before != texts
    texts = _apply(texts, lambda text: _uniform(text, config))
    if config.simplify_chinese:
        # Once more composed: what OpenCC writes is its own.
        texts = _apply(simplify(texts), lambda text: text.str.normalize("NFC"))
    return layout(texts, config), repaired


def layout(texts: pl.Series, config: UnicodeConfig) -> pl.Series:
    """Makes white space uniform at the ends of lines, between paragraphs and around the text."""
    return _apply(texts, lambda text: _layout(text, config))


def _apply(texts: pl.Series, step: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    return texts.to_frame("text").select(step(pl.col("text")))["text"]


def _without_invisible(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(f"{_ESCAPE_SEQUENCE}|{_OVERSTRIKE}|{_INVISIBLE}", "")


def _uniform(text: pl.Expr, config: UnicodeConfig) -> pl.Expr:
    removed = _INVISIBLE_LATIN_1 if config.keep_private_use else f"{_INVISIBLE_LATIN_1}|{_PRIVATE_USE}"
    text = (
        text.str.replace_all(removed, "")
        .str.replace_all(_NEWLINE, "\n")
        .str.replace_all(_PARAGRAPH_INDENT, "")
        .str.replace_all(_SPACE, " ")
    )
    if config.fold_full_width:
        text = text.str.replace_many(_FULL_WIDTH)
    return text.str.normalize("NFC")


def _layout(text: pl.Expr, config: UnicodeConfig) -> pl.Expr:
    run, blank = config.max_space_run, config.max_blank_lines
    return (
        text.str.replace_all(r"[ \t]+\n", "\n")
        .str.replace_all(rf"([^ \t\n])[ \t]{{{run + 1},}}", "${1}" + " " * run)
        .str.replace_all(rf"\n{{{blank + 2},}}", "\n" * (blank + 1))
        .str.strip_chars_start("\n")
        .str.strip_chars_end(" \t\n")
    )
