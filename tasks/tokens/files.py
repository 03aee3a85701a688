"""The two files that hold a shard's tokens, format 2.

`shard-x.bin` is nothing but token ids, little-endian: uint16 where the vocabulary fits (half the bytes and half the
page cache of uint32), else uint32. `shard-x.idx` says where documents end:

    offset  type
    0       8 bytes     b"NMTOKENS"
    8       uint32      format version
    12      uint32      bytes per token, 2 or 4
    16      int64       documents, n
    24      int64       tokens
    32      int64       bytes of the names of sources, m
    40      int64[n]    end of each document, in tokens from the start of the .bin file
            int64[n]    bytes of each document's text in UTF-8 (for bits per byte)
            uint16[n]   source of each document, its place among the names
            uint8[n]    language of each document, its place in `schemas.tokens.LANGUAGES`
            m bytes     names of the sources, sorted, as a JSON list in UTF-8

A document's tokens are `<s>`, its text, `</s>`. Everything is little-endian and nothing else is written, so equal
documents give equal bytes.
"""

from __future__ import annotations

import json
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

FORMAT = 2
_MAGIC = b"NMTOKENS"
_HEADER = struct.Struct("<8sIIqqq")
_DOCUMENT_BYTES = 8 + 8 + 2 + 1

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Index:
    """Where the documents of one token file are.

    Attributes:
        dtype: Type of a token on disk, uint16 or uint32.
        ends: int64[n], end of each document in tokens.
        text_bytes: int64[n], UTF-8 bytes of each document's text.
        sources: uint16[n], places in `source_names`.
        languages: uint8[n], places in `schemas.tokens.LANGUAGES`.
        source_names: Names of the sources that occur, sorted.
    """

    dtype: np.dtype[np.unsignedinteger]
    ends: npt.NDArray[np.int64]
    text_bytes: npt.NDArray[np.int64]
    sources: npt.NDArray[np.uint16]
    languages: npt.NDArray[np.uint8]
    source_names: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """Tokens in the file."""
        return int(self.ends[-1]) if len(self.ends) else 0


def token_dtype(vocabulary: int) -> np.dtype[np.unsignedinteger]:
    """Returns the narrowest type on disk that holds every id of a vocabulary of that size."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")


class TokenWriter:
    """Appends documents to a pair of token files; use as a context manager.

    The tokens go straight to the file; 19 bytes a document are held until the index is written at the end.
    """

    def __init__(self, tokens: Path, index: Path, vocabulary: int) -> None:
        self.tokens = 0
        self._dtype = token_dtype(vocabulary)
        self._index = index
        self._vocabulary = vocabulary
        self._file = tokens.open("wb")
        self._ends = array("q")
        self._text_bytes = array("q")
        self._sources = array("H")
        self._languages = array("B")
        self._places: dict[str, int] = {}

    @property
    def documents(self) -> int:
        """Documents written so far."""
        return len(self._ends)

    def write(
        self, ids: Sequence[int] | npt.NDArray[np.int32], language: str, text_bytes: int, source: str = ""
    ) -> None:
        """Appends a document: `<s>`, the ids of its text, `</s>`.

        Args:
            ids: Ids of the text alone.
            language: One of `LANGUAGES`.
            text_bytes: Bytes of the text in UTF-8.
            source: Name of the source that it comes from.
        """
        text = np.asarray(ids, dtype=np.int32)
        assert not len(text) or 0 <= text.min() <= text.max() < self._vocabulary, "an id outside the vocabulary"
        document = np.empty(len(text) + 2, dtype=self._dtype)
        document[0], document[1:-1], document[-1] = BOS, text, EOS
        self._file.write(document.tobytes())
        self.tokens += len(document)
        self._ends.append(self.tokens)
        self._text_bytes.append(text_bytes)
        self._sources.append(self._places.setdefault(source, len(self._places)))
        self._languages.append(LANGUAGES.index(language))

    def close(self) -> None:
        """Writes the index."""
        self._file.close()
        names = sorted(self._places)
        data = json.dumps(names, ensure_ascii=False, separators=(",", ":")).encode()
        sorted_places = np.empty(len(names), dtype="<u2")
        sorted_places[[self._places[name] for name in names]] = np.arange(len(names))
        with self._index.open("wb") as file:
            file.write(_HEADER.pack(_MAGIC, FORMAT, self._dtype.itemsize, self.documents, self.tokens, len(data)))
            file.write(np.asarray(self._ends, dtype="<i8").tobytes())
            file.write(np.asarray(self._text_bytes, dtype="<i8").tobytes())
            file.write(sorted_places[np.asarray(self._sources, dtype=np.intp)].tobytes())
            file.write(self._languages.tobytes())
            file.write(data)

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
        StageFailed: The format is another one.
        DamagedArtifact: It is no index, or it is cut short.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise DamagedArtifact("not an index of token files", where=path.name)
    _, version, width, documents, tokens, names = _HEADER.unpack_from(data)
    if version != FORMAT:
        raise StageFailed(
            f"token files of format {version}; this Nightmill reads format {FORMAT}",
            where=path.name,
            hint="build `pack` anew with this version: nightmill run CONFIG --force pack",
        )
    if width not in (2, 4) or documents < 0 or len(data) != _HEADER.size + _DOCUMENT_BYTES * documents + names:
        raise DamagedArtifact(f"{len(data)} bytes do not hold the index of {documents} documents", where=path.name)
    at = _HEADER.size
    columns = []
    for kind in ("<i8", "<i8", "<u2", "u1"):
        columns.append(np.frombuffer(data, kind, documents, at))
        at += columns[-1].nbytes
    ends, text_bytes, sources, languages = columns
    index = Index(
        dtype=np.dtype(f"<u{width}"),
        ends=ends,
        text_bytes=text_bytes,
        sources=sources,
        languages=languages,
        source_names=tuple(json.loads(data[at:])),
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
