"""What deduplication needs to know of each document, part by part: keys and MinHash signatures.

Both are plain `.npy` files that are mapped into memory, never loaded whole. A document of 112 permutations takes 448
bytes of signature and 37 of keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.tables import LANGUAGES
from tasks.dedup import kernels
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import iterate_tables

SIGNATURES = "signatures.npy"
KEYS = "keys.npy"

CHARACTER_LANGUAGES = ("zh",)
"""Languages whose shingles are of characters, having no spaces between words."""

BATCH_BYTES = 4 << 20
"""Text that is shingled at a time: 8 bytes of hash for each byte of text at most."""

KEY = np.dtype(
    [
        ("exact", "<u8", (2,)),  # 128 bits of blake2b of the text, every run of whitespace as one space
        ("id", "<u8", (2,)),  # the document's id as a number, upper half first
        ("day", "<i4"),  # first_seen in days since 1970
        ("language", "u1"),  # place in LANGUAGES
        ("comparable", "?"),  # whether it has any shingle: shorter texts are compared exactly only
    ]
)


@dataclass(frozen=True, slots=True)
class Shingling:
    """Tokens in a shingle."""

    words: int
    characters: int


def sign_part(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes the keys, `KEY[n]`, and the signatures, uint32[n, permutations] column by column, of a file of documents.

    Returns the number of documents of each source.
    """
    parameters = part.parameters
    shingling = Shingling(parameters["ngram_words"], parameters["ngram_chars"])
    factors, summands = kernels.permutations(parameters["permutations"], parameters["seed"])
    path = part.files[0].path
    count = int(pq.read_metadata(path).num_rows)
    keys = np.zeros(count, dtype=KEY)
    signatures = np.zeros((count, len(factors)), dtype=np.uint32, order="F")
    sources: dict[str, int] = {}
    row = 0
    for group in iterate_tables(path, ["id", "source", "first_seen", "language", "text"]):
        for source, number in _counts(group["source"]):
            sources[source] = sources.get(source, 0) + number
        for table in batches(group):
            here = slice(row, row + table.num_rows)
            shingles, ends = shingle_texts(table, shingling)
            signatures[here] = kernels.sign(shingles, ends, factors, summands)
            keys[here] = _keys(table)
            keys["comparable"][here] = np.diff(ends) > 0
            row = here.stop
    np.save(folder / KEYS, keys, allow_pickle=False)
    np.save(folder / SIGNATURES, signatures, allow_pickle=False)
    return {"sources": dict(sorted(sources.items()))}


def batches(table: pa.Table) -> Iterator[pa.Table]:
    """Yields the rows of a table in order, as many at a time as have `BATCH_BYTES` of text, but at least one."""
    bounds = np.cumsum(np.asarray(pc.binary_length(table["text"])))
    begin = 0
    while begin < table.num_rows:
        before = bounds[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(bounds, before + BATCH_BYTES, side="right")))
        yield table.slice(begin, end - begin)
        begin = end


def shingle_texts(table: pa.Table, shingling: Shingling) -> tuple[kernels.U64, kernels.I64]:
    """Returns the shingles of the texts of a table; see `kernels.shingle`."""
    texts = table["text"].cast(pa.large_string()).combine_chunks()
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    by_character = np.asarray(pc.is_in(table["language"], pa.array(CHARACTER_LANGUAGES)).combine_chunks())
    return kernels.shingle(
        content, starts, by_character, kernels.folding_table(), shingling.words, shingling.characters
    )


def exact_digest(text: str) -> bytes:
    """Returns 16 bytes that two texts share only if they are equal but for the extent of whitespace."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()


def _keys(table: pa.Table) -> npt.NDArray[np.void]:
    keys = np.zeros(table.num_rows, dtype=KEY)
    languages = table["language"].to_pylist()
    digests = map(exact_digest, table["text"].to_pylist())
    keys["exact"] = _halves(b"".join(digests))
    keys["id"] = _halves(bytes.fromhex("".join(table["id"].to_pylist())))
    keys["day"] = np.asarray(table["first_seen"].cast(pa.date32()).cast(pa.int32()))
    keys["language"] = [LANGUAGES.index(language) for language in languages]
    return keys


def _halves(digests: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _counts(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    counted: Any = pc.value_counts(column.combine_chunks())
    for item in counted.to_pylist():
        yield item["values"], item["counts"]
