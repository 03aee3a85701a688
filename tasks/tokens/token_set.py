"""Documents as one stream of tokens, and the fixed-length blocks that training reads from it.

Blocks are windows over the concatenated documents: no token is padding but in the last block, and every token but a
document's first is predicted exactly once. A window may hold several documents, so position ids restart at each (models
that know only positions then keep them apart), and no label asks for the first token of the next document. A block
is a pure function of its number: an order of training is a permutation of numbers, computed from a seed.

Some of the documents, such as those of one language or source, are a stream of their own with blocks of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import StageFailed
from schemas.tokens import IGNORED_LABEL, PAD
from tasks.tokens.files import Index, Tokens, map_tokens, read_index


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


@dataclass(frozen=True, slots=True, eq=False)
class TokenSet:
    """Documents in token files mapped into memory: 35 bytes a document are held, never the tokens.

    Attributes:
        files: The mapped token files.
        file_ends: int64[files], ends in the concatenated files.
        starts: int64[n_documents], where each document begins in the concatenated files.
        document_ends: int64[n_documents], ends in the stream of these documents.
        text_bytes: int64[n_documents], UTF-8 bytes of each document's text.
        languages: uint8[n_documents], places in `schemas.tokens.LANGUAGES`.
        sources: uint16[n_documents], places in `source_names`.
        source_names: Names of the sources, sorted.
        dtype: Type of a token on disk.
    """

    files: tuple[Tokens, ...]
    file_ends: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    document_ends: npt.NDArray[np.int64]
    text_bytes: npt.NDArray[np.int64]
    languages: npt.NDArray[np.uint8]
    sources: npt.NDArray[np.uint16]
    source_names: tuple[str, ...]
    dtype: np.dtype[np.unsignedinteger]

    @property
    def n_documents(self) -> int:
        """Documents."""
        return len(self.document_ends)

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents, `<s>` and `</s>` included."""
        return int(self.document_ends[-1]) if len(self.document_ends) else 0

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each document: int64[n_documents]."""
        return np.diff(self.document_ends, prepend=0)

    def select(self, documents: npt.NDArray[np.bool_]) -> TokenSet:
        """Returns some of the documents, in their order, as a set with a stream of its own.

        Args:
            documents: bool[n_documents], which ones.
        """
        return TokenSet(
            files=self.files,
            file_ends=self.file_ends,
            starts=self.starts[documents],
            document_ends=np.cumsum(self.lengths[documents]),
            text_bytes=self.text_bytes[documents],
            languages=self.languages[documents],
            sources=self.sources[documents],
            source_names=self.source_names,
            dtype=self.dtype,
        )

    def document(self, number: int) -> npt.NDArray[np.int64]:
        """Returns the tokens of a document, `<s>` and `</s>` included."""
        begin = int(self.document_ends[number - 1]) if number else 0
        return self._read(np.arange(begin, int(self.document_ends[number]), dtype=np.int64))[0]

    def n_blocks(self, context_length: int) -> int:
        """Returns how many blocks cover every prediction; the stream's last token is never an input in need."""
        return -(-max(self.n_tokens - 1, 0) // context_length)

    def block(self, index: int, context_length: int) -> Block:
        """Returns one block: a function of the documents, its index and the length only.

        Raises:
            IndexError: There is no such block.
        """
        if not 0 <= index < self.n_blocks(context_length):
            raise IndexError(f"block {index} of {self.n_blocks(context_length)}")
        start = index * context_length
        stop = min(start + context_length + 1, self.n_tokens)
        window, positions = self._read(np.arange(start, stop, dtype=np.int64))

        filled = stop - start - 1
        input_ids = np.full(context_length, PAD, dtype=np.int64)
        labels = np.full(context_length, IGNORED_LABEL, dtype=np.int64)
        position_ids = np.arange(-filled, context_length - filled, dtype=np.int64)
        input_ids[:filled] = window[:-1]
        labels[:filled] = np.where(positions[1:] == 0, IGNORED_LABEL, window[1:])
        position_ids[:filled] = positions[:-1]
        return Block(input_ids=input_ids, labels=labels, position_ids=position_ids)

    def _read(self, places: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns the tokens at adjoining places of the stream, and the place of each in its document."""
        first = int(np.searchsorted(self.document_ends, places[0], side="right"))
        last = int(np.searchsorted(self.document_ends, places[-1], side="right"))
        ends = self.document_ends[first : last + 1]
        begins = np.empty_like(ends)
        begins[0] = self.document_ends[first - 1] if first else 0
        begins[1:] = ends[:-1]
        within = np.searchsorted(ends, places, side="right")
        positions = places - begins[within]
        wanted = self.starts[first : last + 1][within] + positions
        tokens = np.empty(len(places), dtype=np.int64)
        file = np.searchsorted(self.file_ends, wanted, side="right")
        for number in np.unique(file).tolist():
            here = file == number
            begin = int(self.file_ends[number]) - len(self.files[number])
            tokens[here] = self.files[number][wanted[here] - begin]
        return tokens, positions


def open_token_set(pairs: Sequence[tuple[Path, Path]]) -> TokenSet:
    """Opens token files with their indexes as one set.

    Args:
        pairs: Token file and index of each shard; their order is the order of the stream.

    Raises:
        StageFailed: The files are of another format, or of different widths.
        DamagedArtifact: A file is not what it should be.
    """
    indexes = [read_index(index) for _, index in pairs]
    dtypes = {index.dtype for index in indexes}
    if len(dtypes) > 1:
        raise StageFailed("token files of different widths in one set", where=", ".join(t.name for t, _ in pairs))
    ends = np.concatenate([np.empty(0, np.int64), *(np.diff(index.ends, prepend=0) for index in indexes)]).cumsum()
    names = tuple(sorted({name for index in indexes for name in index.source_names}))
    return TokenSet(
        files=tuple(map_tokens(tokens, index) for (tokens, _), index in zip(pairs, indexes, strict=True)),
        file_ends=np.cumsum([index.tokens for index in indexes], dtype=np.int64),
        starts=np.concatenate([np.zeros(1, np.int64), ends])[:-1],
        document_ends=ends,
        text_bytes=_joined(np.int64, [index.text_bytes for index in indexes]),
        languages=_joined(np.uint8, [index.languages for index in indexes]),
        sources=_joined(np.uint16, [_renamed(index, names) for index in indexes]),
        source_names=names,
        dtype=dtypes.pop() if dtypes else np.dtype("<u2"),
    )


def open_split(split: str, paths: Mapping[str, Path]) -> TokenSet:
    """Opens the token files of a split, each `X.bin` with its `X.idx`.

    Args:
        split: Its name, for errors.
        paths: Where each file lies, by name.

    Raises:
        StageFailed: There is a file without its other half; see also `open_token_set`.
    """
    stems = sorted({name.rpartition(".")[0] for name in paths})
    alone = [stem for stem in stems if f"{stem}.bin" not in paths or f"{stem}.idx" not in paths]
    if alone:
        raise StageFailed("token files without their index, or the other way round", where=split, details=alone)
    return open_token_set([(paths[f"{stem}.bin"], paths[f"{stem}.idx"]) for stem in stems])


def _renamed(index: Index, names: tuple[str, ...]) -> npt.NDArray[np.uint16]:
    """Places of a file's sources among the names of all files."""
    places = np.array([names.index(name) for name in index.source_names], dtype=np.uint16)
    return places[index.sources]


def _joined(dtype: Any, arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype, copy=False)
