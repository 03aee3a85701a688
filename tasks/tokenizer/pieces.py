"""Rewrites the pieces of a SentencePiece model in place: their scores, and what kind of piece the newline is.

Unigram chooses the segmentation with the best sum of scores. SentencePiece adds up in 32 bits, the `tokenizers` library
in 64, so near ties come out differently in one line of some thousands. Scores that are multiples of a power of two add
up exactly in both (to 2^24 steps, here 131,000 nats: documents of about 50 kB), and both break exact ties alike.
A step of 1/128 nat is far below what the estimate of a score is worth.

The newline is declared as user-defined for the trainer alone, which never sees one: as a normal piece it is found like
any other, without a search for user-defined pieces in every text.

The model is a protocol buffer (`sentencepiece_model.proto`): field 1 repeats the pieces, each with its text (1), score
(2, a float) and type (3). Only bytes inside are replaced, so that no library for the format is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

SCORE_STEP = 1 / 128

_PIECE, _SCORE, _TYPE = 0x0A, 0x15, 0x18
_NORMAL, _USER_DEFINED = 1, 4


def with_exact_scores(model: bytes) -> bytes:
    """Returns the model with every score rounded to a multiple of `SCORE_STEP`."""
    changed = bytearray(model)
    for field, at in _fields_of_pieces(model):
        if field == _SCORE:
            (score,) = struct.unpack_from("<f", model, at)
            struct.pack_into("<f", changed, at, round(score / SCORE_STEP) * SCORE_STEP)
    return bytes(changed)


def with_normal_pieces(model: bytes) -> bytes:
    """Returns the model with its user-defined pieces made normal ones."""
    changed = bytearray(model)
    for field, at in _fields_of_pieces(model):
        if field == _TYPE and model[at] == _USER_DEFINED:
            changed[at] = _NORMAL
    return bytes(changed)


def _fields_of_pieces(model: bytes) -> Iterator[tuple[int, int]]:
    """Yields (tag, place of the value) of every field of every piece; pieces come first in a model."""
    at = 0
    while at < len(model) and model[at] == _PIECE:
        size, at = _varint(model, at + 1)
        end = at + size
        while at < end:
            tag = model[at]
            yield tag, at + 1
            if tag == _PIECE:  # the text has the same number and wire type inside the piece
                length, at = _varint(model, at + 1)
                at += length
            elif tag == _SCORE:
                at += 5
            elif tag == _TYPE:
                _, at = _varint(model, at + 1)
            else:
                raise AssertionError(f"a piece with an unknown field {tag:#x}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
