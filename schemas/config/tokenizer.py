"""Settings of `tokenizer`."""

from __future__ import annotations

from pydantic import Field, model_validator

from schemas.config.base import Config
from schemas.tokens import RESERVED

FEWEST_PIECES = RESERVED + 1 + 256
"""The reserved pieces, the newline and one piece a byte; every character and merge comes on top."""


class LanguageWeights(Config):
    """How much of the training text each language makes up, relative to the others."""

    en: float = Field(default=1.0, ge=0)
    """Weight of English."""

    zh: float = Field(default=1.0, ge=0)
    """Weight of Chinese."""

    @model_validator(mode="after")
    def _some_language(self) -> LanguageWeights:
        if self.en + self.zh <= 0:
            raise ValueError("at least one language needs a weight above 0")
        return self


class TokenizerConfig(Config):
    """How the tokenizer is trained: SentencePiece BPE with byte fallback, the reserved pieces first."""

    vocab_size: int = Field(default=8192, gt=FEWEST_PIECES, le=1 << 20)
    """Pieces, reserved ones and the 256 bytes included. Up to 65,536 a token takes two bytes on disk, above it four."""

    character_coverage: float = Field(default=0.9998, ge=0.9, le=1)
    """Share of the characters of the training text that get a piece of their own; the rarest are spelled in bytes.

    Measured on held-out texts of the quickstart with 8,192 pieces: against 0.9995, 0.9998 takes 376 more characters,
    saves Chinese 0.8 % of its tokens and nearly half of its byte fallback (5.2 to 3.0 %), and costs English 0.6 %.
    """

    sample_bytes: int = Field(default=32 << 20, ge=1 << 16)
    """Most text to train on, in bytes of UTF-8, chosen by a keyed hash of the documents' ids; bounds the memory too."""

    language_weights: LanguageWeights = LanguageWeights()
    """Shares of the languages in `sample_bytes`. A language with too little text for its share is repeated, at most
    four times."""

    max_sentence_length: int = Field(default=4192, ge=64, le=1 << 16)
    """Longer lines are cut for training, in bytes."""

    model_max_length: int = Field(default=256, ge=8)
    """What `AutoTokenizer` takes for the longest input of the model; written into `tokenizer_config.json` only."""

    seed: int = Field(default=1, ge=0, lt=1 << 63)
    """Decides which documents are sampled where there are more than `sample_bytes`."""
