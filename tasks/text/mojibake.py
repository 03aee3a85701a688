"""Repairs text that was decoded with the wrong encoding.

ftfy reads 700 documents a second, so it sees only lines that a compiled pattern suspects: the traces that UTF-8 leaves
when read as Latin-1 or Windows-1252. ftfy is used for encodings alone: its other habits (straight quotes, ligatures,
character width) would change ordinary text. GBK read as Latin-1, which ftfy does not know, is repaired here.
"""

from __future__ import annotations

import re
from itertools import pairwise

import polars as pl

from tasks.text.words import word_list

_CONTINUATION = r"[\u{80}-\u{bf}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
"""How the bytes 80 to BF, the second and later ones of UTF-8, look in Latin-1 and Windows-1252."""

_UTF8_AS_LATIN_1 = rf"[ÂÃÅÄÐÑ]{_CONTINUATION}|[à-ï]{_CONTINUATION}{{2}}|ð{_CONTINUATION}{{3}}"
_GBK_AS_LATIN_1 = r"[\u{a1}-\u{fe}]{6,}"
"""Three Chinese characters at least: no European language has six letters outside ASCII in a row."""

_SUSPECT = f"{_UTF8_AS_LATIN_1}|{_GBK_AS_LATIN_1}"
_SUSPECT_UTF8_LINE = re.compile(_UTF8_AS_LATIN_1.replace(r"\u{80}-\u{bf}", "\x80-\xbf"))
_GBK_RUN = re.compile("[\xa1-\xfe]{2,}")

_LEVEL_1 = range(0xB0, 0xD8)
"""Lead bytes of GB 2312's first level, the 3,755 characters of everyday use."""

_MIN_LEVEL_1_SHARE = 0.8


def suspects(texts: pl.Series) -> pl.Series:
    """Marks the texts that show traces of a wrong encoding (bool)."""
    return texts.str.contains(_SUSPECT)


def repair(texts: pl.Series) -> pl.Series:
    """Returns the texts with the suspected ones repaired where a repair is certain enough."""
    rows = suspects(texts).arg_true()
    if rows.is_empty():
        return texts
    return texts.clone().scatter(rows, [repair_text(text) for text in texts.gather(rows)])


def repair_text(text: str) -> str:
    """Repairs one text; UTF-8 line by line, as texts are often pasted together from several sources."""
    from ftfy import fix_encoding

    # GBK first: ftfy takes two of its characters in a row for one of UTF-8 where they happen to fit.
    lines = _repair_gbk(text).split("\n")
    return "\n".join(fix_encoding(line) if _SUSPECT_UTF8_LINE.search(line) else line for line in lines)


def _repair_gbk(text: str) -> str:
    """Decodes runs of Latin-1 characters as GB 2312 where they read as Chinese.

    A run has to be of everyday characters, the text to have a function word among them: tables of accented letters
    and rows of dots decode to Chinese characters too, but never to a Chinese sentence.
    """
    runs = [run.group() for run in _GBK_RUN.finditer(text)]
    found = [run for run in runs if _reads_as_chinese(run)]
    if not {char for run in found for char in _decode(run) or ""} & set(word_list("zh")):
        return text
    return _GBK_RUN.sub(lambda run: _decode(run.group()) or "" if run.group() in found else run.group(), text)


def _reads_as_chinese(run: str) -> bool:
    characters = _decode(run)
    if characters is None or all(ord(right) - ord(left) == 1 for left, right in pairwise(run)):
        return False
    # Punctuation (leads A1 and A3) stands in any text and is evidence of nothing.
    han = [ord(lead) for lead in run[::2] if ord(lead) >= _LEVEL_1.start]
    everyday = sum(lead in _LEVEL_1 for lead in han)
    return len(han) * 2 >= len(characters) and everyday >= _MIN_LEVEL_1_SHARE * len(han)


def _decode(run: str) -> str | None:
    try:
        return run.encode("latin-1").decode("gb2312")
    except UnicodeDecodeError:
        return None
