"""The two files that hold a shard's tokens, format 1.

`shard-x.bin` is nothing but token ids, little-endian: uint16 where the vocabulary fits (half the bytes and half the
page cache of uint32), else uint32. `shard-x.idx` says where documents end:

    offset  type
    0       8 bytes     b"NMTOKENS"
    8       uint32      format version
    12      uint32      bytes per token, 2 or 4
    16      int64       documents, n
    24      int64       tokens
    32      int64[n]    end of each document, in tokens from the start of the .bin file
            int64[n]    bytes of each document's text in UTF-8 (for bits per byte)
            uint8[n]    language of each document, its place in `schemas.tokens.LANGUAGES`

A document's tokens are `<s>`, its text, `</s>`. Everything is little-endian and nothing else is written, so equal
documents give equal bytes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from schemas.errors import DamagedArtifact, StageFailed
from schemas.tokens import BOS, EOS, LANGUAGES

FORMAT = 1
_MAGIC = b"NMTOKENS"
_HEADER = struct.Struct("<8sIIqq")

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Index:
    """Where the documents of one token file are.

    Attributes:
        dtype: Type of a token on disk, uint16 or uint32.
        ends: int64[n], end of each document in tokens.
        text_bytes: int64[n], UTF-8 bytes of each document's text.
        languages: uint8[n], places in `schemas.tokens.LANGUAGES`.
    """

    dtype: np.dtype[np.unsignedinteger]
    ends: npt.NDArray[np.int64]
    text_bytes: npt.NDArray[np.int64]
    languages: npt.NDArray[np.uint8]

    @property
    def tokens(self) -> int:
        """Tokens in the file."""
        return int(self.ends[-1]) if len(self.ends) else 0


def token_dtype(vocabulary: int) -> np.dtype[np.unsignedinteger]:
    """Returns the narrowest type on disk that holds every id of a vocabulary of that size."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")


class TokenWriter:
    """Appends documents to a pair of token files; use as a context manager.

    The tokens go straight to the file; 17 bytes a document are held until the index is written at the end.
    """

    def __init__(self, tokens: Path, index: Path, vocabulary: int) -> None:
        self.tokens = 0
        self._dtype = token_dtype(vocabulary)
        self._index = index
        self._vocabulary = vocabulary
        self._file = tokens.open("wb")
        self._ends = array("q")
        self._text_bytes = array("q")
        self._languages = array("B")

    @property
    def documents(self) -> int:
        """Documents written so far."""
        return len(self._ends)

    def write(self, ids: Sequence[int] | npt.NDArray[np.int32], language: str, text_bytes: int) -> None:
        """Appends a document: `<s>`, the ids of its text, `</s>`.

        Args:
            ids: Ids of the text alone.
            language: One of `LANGUAGES`.
            text_bytes: Bytes of the text in UTF-8.
        """
        text = np.asarray(ids, dtype=np.int64)
        assert not len(text) or 0 <= text.min() <= text.max() < self._vocabulary, "an id outside the vocabulary"
        document = np.empty(len(text) + 2, dtype=self._dtype)
        document[0], document[1:-1], document[-1] = BOS, text, EOS
        self._file.write(document.tobytes())
        self.tokens += len(document)
        self._ends.append(self.tokens)
        self._text_bytes.append(text_bytes)
        self._languages.append(LANGUAGES.index(language))

    def close(self) -> None:
        """Writes the index."""
        self._file.close()
        with self._index.open("wb") as file:
            file.write(_HEADER.pack(_MAGIC, FORMAT, self._dtype.itemsize, self.documents, self.tokens))
            file.write(np.asarray(self._ends, dtype="<i8").tobytes())
            file.write(np.asarray(self._text_bytes, dtype="<i8").tobytes())
            file.write(self._languages.tobytes())

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


def read_index(path: Path) -> Index:
    """Reads an index file.

    Raises:
        StageFailed: The format is a later one.
        DamagedArtifact: It is no index, or it is cut short.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise DamagedArtifact("not an index of token files", where=path.name)
    _, version, width, documents, tokens = _HEADER.unpack_from(data)
    if version != FORMAT:
        raise StageFailed(
            f"token files of format {version}; this Nightmill reads format {FORMAT}",
            where=path.name,
            hint="build `pack` anew with this version: nightmill run CONFIG --force pack",
        )
    if width not in (2, 4) or documents < 0 or len(data) != _HEADER.size + 17 * documents:
        raise DamagedArtifact(f"{len(data)} bytes do not hold the index of {documents} documents", where=path.name)
    ends = np.frombuffer(data, "<i8", documents, _HEADER.size)
    index = Index(
        dtype=np.dtype(f"<u{width}"),
        ends=ends,
        text_bytes=np.frombuffer(data, "<i8", documents, _HEADER.size + 8 * documents),
        languages=np.frombuffer(data, "u1", documents, _HEADER.size + 16 * documents),
    )
    if index.tokens != tokens or bool((np.diff(ends, prepend=0) < 1).any()):
        raise DamagedArtifact("document ends that do not add up", where=path.name)
    return index


def map_tokens(path: Path, index: Index) -> Tokens:
    """Maps a token file into memory, read-only, without reading it.

    Raises:
        DamagedArtifact: Its size is not what the index states.
    """
    size = path.stat().st_size
    if size != index.tokens * index.dtype.itemsize:
        raise DamagedArtifact(f"{size} bytes do not hold the {index.tokens} tokens of its index", where=path.name)
    if size == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype=index.dtype)
    return np.memmap(path, dtype=index.dtype, mode="r")
