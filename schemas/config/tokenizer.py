"""Settings of `tokenizer`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from schemas.config.base import Config
from schemas.tokens import RESERVED

FEWEST_PIECES = RESERVED + 1 + 256
"""The reserved pieces, the newline and one piece a byte; every character and merge comes on top."""

Coverage = Annotated[float, Field(ge=0.9, le=1)]


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


class CharacterCoverage(Config):
    """Share of each language's characters that get a piece of their own; the rarest are spelled in bytes.

    A piece of one language serves the other too, so what counts is the union. Measured on held-out text with 8,192
    pieces: on the quickstart's, Chinese coverage of .999, .9995 and .9998 takes 1,741, 1,920 and 2,058 characters and
    leaves .98, .49 and .36 % of the Chinese tokens spelling bytes, at 3.04, 3.03 and 3.03 bytes a token. On text with
    classical Chinese it takes 5,103, 5,755 and 6,502 characters, and costs English 2.66, 2.59 and 2.45 bytes a token.
    """

    en: Coverage = 0.9999
    """Coverage of English."""

    zh: Coverage = 0.9995
    """Coverage of Chinese."""


class ReuseConfig(Config):
    """Which tokenizer is used on, and until when. Growth is against what was measured when it was trained."""

    reference: str = Field(default="", pattern=r"^([a-z][a-z0-9_-]*/tokenizer|\d{8}T\d{6}-[0-9a-f]{12}-[0-9a-f]{4})?$")
    """Empty: the one that this pipeline had before. Or the one that another pipeline of the store has
    (`PIPELINE/tokenizer`), or a version of an artifact (`20261122T021500-0123456789ab-cdef`)."""

    max_fertility_growth: float = Field(default=0.1, ge=0)
    """Above so much more tokens for a word (in Chinese for a character) than at first, in any language, it holds."""

    max_byte_fallback_growth: float = Field(default=0.5, ge=0)
    """Above so much more of the tokens that spell bytes than at first, in any language, it holds."""

    min_byte_fallback_share: float = Field(default=0.01, ge=0, le=1)
    """Shares of byte fallback up to this never hold, whatever they have grown from."""


class TokenizerConfig(Config):
    """Which tokenizer there is: SentencePiece with byte fallback, the reserved pieces first."""

    mode: Literal["train", "reuse"] = "train"
    """`train`: a new tokenizer whenever the training text changes. `reuse`: the one that `reuse.reference` names is
    kept until it fits the text no longer; then the stage holds. Where this pipeline has none yet, or the settings below
    changed since its own was trained, a new one is trained, and with it a new lineage of models begins."""

    reuse: ReuseConfig = ReuseConfig()
    """For `mode: reuse`."""

    kind: Literal["bpe", "unigram"] = "bpe"
    """How a text is cut. Measured on 8 MiB of half English, half Chinese documentation with 8,192 pieces: BPE trains in
    1.0 CPU seconds, unigram in 17.5, and BPE's tokens hold more (2.56 and 2.69 bytes in English and Chinese, 2.49 and
    2.68); byte fallback is equal; unigram encodes 27 MB a CPU second, BPE 7 to 11."""

    vocab_size: int = Field(default=8192, gt=FEWEST_PIECES, le=1 << 20)
    """Pieces, reserved ones and the 256 bytes included. Up to 65,536 a token takes two bytes on disk, above it four."""

    character_coverage: CharacterCoverage = CharacterCoverage()
    """Share of the characters that get a piece, by language."""

    split_digits: bool = True
    """Whether every digit is a token of its own."""

    sample_bytes: int = Field(default=32 << 20, ge=1 << 16)
    """Most text to train on, in bytes of UTF-8, chosen by a keyed hash of the documents' ids; bounds the memory too.
    Unigram takes about 2 CPU seconds a MiB: 8 MiB are enough for it."""

    language_weights: LanguageWeights = LanguageWeights()
    """Shares of the languages in `sample_bytes`. A language with too little text for its share is repeated, at most
    four times."""

    max_sentence_length: int = Field(default=4192, ge=64, le=1 << 16)
    """Longer lines are cut for training, in bytes."""

    model_max_length: int = Field(default=256, ge=8)
    """What `AutoTokenizer` takes for the longest input of the model; written into `tokenizer_config.json` only, when
    the tokenizer is trained."""

    seed: int = Field(default=1, ge=0, lt=1 << 63)
    """Decides which documents are sampled where there are more than `sample_bytes`."""

    def identity(self) -> dict[str, Any]:
        """Returns what decides the result: limits of reuse do not while a new tokenizer is trained in any case."""
        found = super().identity()
        return {name: value for name, value in found.items() if name != "reuse" or self.mode == "reuse"}

    def training(self) -> dict[str, Any]:
        """Returns the settings that decide which model training gives, as JSON."""
        others = ("mode", "reuse", "model_max_length")
        return {name: value for name, value in self.identity().items() if name not in others}
