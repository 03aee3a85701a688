"""All documents of a split as one stream of tokens, and the fixed-length blocks that training reads from it.

Blocks are windows over the concatenated documents: no token is padding but in the last block, and every token but a
document's first is predicted exactly once. A window may hold several documents, so position ids restart at each (models
that know only positions then keep them apart), and no label asks for the first token of the next document. A block
is a pure function of its number: an order of training is a permutation of numbers, computed from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import StageFailed
from schemas.tokens import IGNORED_LABEL, PAD
from tasks.tokens.files import Tokens, map_tokens, read_index


@dataclass(frozen=True, slots=True)
class Block:
    """A window of `context_length` (T) tokens and what must be predicted at each.

    Attributes:
        input_ids: int64[T]; padding, in the last block alone, is `PAD`.
        labels: int64[T], the token after each input, or `IGNORED_LABEL` where a document ends or padding begins.
        position_ids: int64[T], place of each token in its document; padding counts as a document of its own.
    """

    input_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    position_ids: npt.NDArray[np.int64]


class TokenSet:
    """Documents of a list of token files, mapped into memory: 25 bytes a document are held, never the tokens.

    Args:
        pairs: Token file and index of each shard; their order is the order of the stream.

    Attributes:
        n_tokens: Tokens of all documents, `<s>` and `</s>` included.
        n_documents: Documents.
        dtype: Type of a token on disk.
        document_ends: int64[n_documents], ends in the concatenated stream.
        text_bytes: int64[n_documents], UTF-8 bytes of each document's text.
        languages: uint8[n_documents], places in `schemas.tokens.LANGUAGES`.
    """

    def __init__(self, pairs: Sequence[tuple[Path, Path]]) -> None:
        indexes = [read_index(index) for _, index in pairs]
        self._files: list[Tokens] = [
            map_tokens(tokens, index) for (tokens, _), index in zip(pairs, indexes, strict=True)
        ]
        dtypes = {index.dtype for index in indexes}
        if len(dtypes) > 1:
            raise StageFailed("token files of different widths in one set", where=", ".join(t.name for t, _ in pairs))
        self.dtype = dtypes.pop() if dtypes else np.dtype("<u2")
        self._file_ends = np.cumsum([index.tokens for index in indexes], dtype=np.int64)
        self.n_tokens = int(self._file_ends[-1]) if indexes else 0
        offsets = self._file_ends - np.array([index.tokens for index in indexes], dtype=np.int64)
        none = np.empty(0, np.int64)
        self.document_ends = np.concatenate(
            [none, *(index.ends + offset for index, offset in zip(indexes, offsets, strict=True))]
        )
        self.text_bytes = np.concatenate([none, *(index.text_bytes for index in indexes)])
        self.languages = np.concatenate([np.empty(0, np.uint8), *(index.languages for index in indexes)])
        self.n_documents = len(self.document_ends)
        self._document_starts = np.concatenate([np.zeros(1, np.int64), self.document_ends])[:-1]

    def document(self, number: int) -> npt.NDArray[np.int64]:
        """Returns the tokens of a document, `<s>` and `</s>` included."""
        return self.read(int(self._document_starts[number]), int(self.document_ends[number]))

    def read(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Returns a stretch of the stream, across files where need be."""
        tokens = np.empty(stop - start, dtype=np.int64)
        at = start
        while at < stop:
            file = int(np.searchsorted(self._file_ends, at, side="right"))
            file_end = int(self._file_ends[file])
            file_start = file_end - len(self._files[file])
            end = min(stop, file_end)
            tokens[at - start : end - start] = self._files[file][at - file_start : end - file_start]
            at = end
        return tokens

    def n_blocks(self, context_length: int) -> int:
        """Returns how many blocks cover every prediction; the stream's last token is never an input in need."""
        return -(-max(self.n_tokens - 1, 0) // context_length)

    def block(self, index: int, context_length: int) -> Block:
        """Returns one block: a function of the files, its index and the length only.

        Raises:
            IndexError: There is no such block.
        """
        if not 0 <= index < self.n_blocks(context_length):
            raise IndexError(f"block {index} of {self.n_blocks(context_length)}")
        start = index * context_length
        stop = min(start + context_length + 1, self.n_tokens)
        window = self.read(start, stop)
        places = np.arange(start, stop, dtype=np.int64)
        positions = places - self._document_starts[np.searchsorted(self.document_ends, places, side="right")]

        filled = stop - start - 1
        input_ids = np.full(context_length, PAD, dtype=np.int64)
        labels = np.full(context_length, IGNORED_LABEL, dtype=np.int64)
        position_ids = np.arange(-filled, context_length - filled, dtype=np.int64)
        input_ids[:filled] = window[:-1]
        labels[:filled] = np.where(positions[1:] == 0, IGNORED_LABEL, window[1:])
        position_ids[:filled] = positions[:-1]
        return Block(input_ids=input_ids, labels=labels, position_ids=position_ids)
