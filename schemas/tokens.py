"""The reserved pieces of every tokenizer, frozen from the first release on: their place is their id.

They are fixed at the start because an id is worth as much as a weight: a piece added later would shift every id after
it and so break every model trained before. What a later objective needs is taken from the spare ones.
"""

from __future__ import annotations

PAD, UNK, BOS, EOS, CLS, SEP, MASK = range(7)
SYSTEM, USER, ASSISTANT, END = range(7, 11)
ENGLISH, CHINESE = range(11, 13)
FIRST_SENTINEL = 13
SENTINELS = 100
FIRST_SPARE = FIRST_SENTINEL + SENTINELS
SPARES = 32

LANGUAGES = ("en", "zh")
"""A language's place is its code in token files; equal to `schemas.tables.LANGUAGES`, which needs pyarrow."""

LANGUAGE_TARGETS = {"en": ENGLISH, "zh": CHINESE}
"""The piece that tells a model which language to answer in."""

RESERVED_PIECES: tuple[str, ...] = (
    *("<pad>", "<unk>", "<s>", "</s>", "<cls>", "<sep>", "<mask>"),
    *("<system>", "<user>", "<assistant>", "<end>"),
    *("<en>", "<zh>"),
    *(f"<sentinel_{number}>" for number in range(SENTINELS)),
    *(f"<spare_{number}>" for number in range(SPARES)),
)
"""Piece of each reserved id. None of them is ever produced by encoding a text."""

RESERVED = len(RESERVED_PIECES)
"""Ids below this are reserved."""

IGNORED_LABEL = -100
"""A label that no loss counts; the value that torch's cross-entropy ignores by default."""
