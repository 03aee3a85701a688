"""Word lists: data that decides which documents stay, in `words/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "words"


@cache
def word_list(name: str) -> tuple[str, ...]:
    """Returns the words of `words/<name>.txt` in their order; lines that begin with # are comments.

    `en` and `zh` are the function words of a language (for Chinese, characters), `en_only` those of English that tell
    it from its neighbours.
    """
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(word for line in lines if (word := line.strip()) and not word.startswith("#"))
