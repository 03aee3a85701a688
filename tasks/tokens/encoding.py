"""The one way from plain text to ids, so that no text ever becomes a control id.

SentencePiece never matches control pieces in a text: a document that says "</s>" gets the ids of those four characters.
(Hugging Face's tokenizers do the opposite by default.) Prompts and roles are therefore assembled from ids, with
`schemas.tokens` for the reserved ones and `encode_text` for what was written by somebody.

SentencePiece itself encodes 3 to 6 MB per CPU second with the quickstart's 8,192 pieces, about five times what the
Hugging Face fast tokenizer does, which is why corpora are encoded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from schemas.errors import DamagedArtifact

MODEL_FILE = "tokenizer.model"
"""Name of the SentencePiece model in a tokenizer's or a model's folder."""


class Processor(Protocol):
    """The part of `sentencepiece.SentencePieceProcessor` that we use."""

    def encode(self, input: str | list[str], return_type: Any = int, num_threads: int = -1) -> Any: ...

    def decode(self, input: list[int]) -> str: ...

    def get_piece_size(self) -> int: ...

    def id_to_piece(self, id: int) -> str: ...

    def get_score(self, id: int) -> float: ...

    def is_control(self, id: int) -> bool: ...

    def is_unknown(self, id: int) -> bool: ...

    def is_byte(self, id: int) -> bool: ...


def load_processor(path: Path) -> Processor:
    """Loads a tokenizer from its folder (or a model's), or from the SentencePiece file itself.

    Raises:
        DamagedArtifact: It is no SentencePiece model.
    """
    import sentencepiece

    file = path / MODEL_FILE if path.is_dir() else path
    try:
        return cast(Processor, sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes()))
    except RuntimeError as error:
        raise DamagedArtifact(f"not a SentencePiece model ({error})", where=file.name) from error


def encode_text(processor: Processor, text: str) -> list[int]:
    """Returns the ids of a text alone: no `<s>`, no `</s>`, and never a reserved id, whatever the text says."""
    return cast("list[int]", processor.encode(text))


def encode_texts(processor: Processor, texts: Sequence[str], threads: int) -> list[list[int]]:
    """Returns what `encode_text` returns for each text; threads change nothing but the time."""
    return cast("list[list[int]]", processor.encode(list(texts), num_threads=threads))


def encode_corpus(processor: Processor, texts: list[str], threads: int) -> list[npt.NDArray[np.int32]]:
    """Returns the ids of each text as int32[n]: they never become Python's integers, which take longer."""
    return cast("list[npt.NDArray[np.int32]]", processor.encode(texts, return_type="numpy", num_threads=threads))
