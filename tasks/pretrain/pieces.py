"""The pieces of a tokenizer, as its tokenizer.json lists them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import StageFailed
from schemas.tokens import RESERVED

WORD_START = "\u2581"
"""How a piece says that a space stands before it."""


def read_pieces(tokenizer: Path) -> list[str]:
    """Returns the pieces of a tokenizer.json by id.

    Raises:
        StageFailed: The file is missing or holds no vocabulary.
    """
    if not tokenizer.is_file():
        raise StageFailed("the folder of the tokenizer has no tokenizer.json", where="tokenizer")
    try:
        found = json.loads(tokenizer.read_bytes())
        vocabulary = found["model"]["vocab"]
        if isinstance(vocabulary, dict):
            pieces = dict(vocabulary)
        else:
            pieces = {piece: number for number, (piece, _) in enumerate(vocabulary)}
        pieces |= {added["content"]: added["id"] for added in found.get("added_tokens", ())}
        by_id = {number: piece for piece, number in pieces.items()}
        return [by_id[number] for number in range(len(by_id))]
    except (ValueError, KeyError, TypeError) as error:
        raise StageFailed(f"no vocabulary could be read: {error!r}", where=str(tokenizer.name)) from error


def continues_word(pieces: list[str]) -> npt.NDArray[np.bool_]:
    """Returns which pieces go on with the word before them: bool[vocabulary].

    They begin with a letter of an alphabet that has cases, without the mark of a word's beginning. Scripts without
    cases, such as Chinese, write no spaces, so a piece of theirs counts as a word.
    """
    found = np.fromiter((_continues(piece) for piece in pieces), dtype=bool, count=len(pieces))
    found[:RESERVED] = False
    return found


def _continues(piece: str) -> bool:
    first = piece[:1]
    return first.isalpha() and first != WORD_START and unicodedata.category(first) in ("Ll", "Lu")
