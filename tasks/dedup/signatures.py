"""What deduplication needs to know of each document, part by part: keys, MinHash signatures, and where to look it up.

All of it are plain `.npy` files that are mapped into memory, never loaded whole. A document of 112 permutations in 28
bands takes 448 bytes of signature, 66 of keys, and 360 in the look-up tables: for each band, for the text and for the
id there is one, sorted by hash, so that a range of hashes, or the hashes of tonight's documents, are found without
reading the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.config.dedup import DedupConfig
from schemas.tables import LANGUAGES
from tasks.arrays.utf8 import F64, I64, U8, U32, U64, Bools
from tasks.dedup import digests, kernels
from tasks.dedup.bands import Banding, banding
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import iterate_tables

KEYS = "keys.npy"
"""`KEY[n]`."""

SIGNATURES = "signatures.npy"
"""uint32[n, permutations]."""

BANDS, BAND_ROWS = "bands.npy", "band-rows.npy"
"""uint64 and uint32[bands, comparable documents]: ascending hashes of each band, and the rows that have them."""

EQUALS, EQUAL_ROWS = "equals.npy", "equal-rows.npy"
"""uint64 and uint32[2, n]: ascending upper halves of the texts' digests and of the ids, and the rows that have them."""

LOCATOR = ("source", "path", "offset")

FILES = (KEYS, SIGNATURES, BANDS, BAND_ROWS, EQUALS, EQUAL_ROWS)

CHARACTER_LANGUAGES = ("zh",)
"""Languages whose shingles are of characters, having no spaces between words."""

LONG_BYTES = 4096
"""Of letters and digits; a text of more is not better for it."""

KEY = np.dtype(
    [
        ("exact", "<u8", (2,)),  # XXH64 of the text under two seeds, every run of whitespace as one space
        ("id", "<u8", (2,)),  # the document's id as a number, upper half first
        (
            "document",
            "<u8",
            (2,),
        ),  # 128 bits of XXH64 of all that decides what becomes of the document, its locator included
        ("day", "<i4"),  # first_seen in days since 1970
        ("language", "u1"),  # place in LANGUAGES
        ("comparable", "?"),  # whether it has any shingle: shorter texts are compared exactly only
        ("characters", "<u4"),  # of the text, every run of whitespace as one
        ("quality", "<f8"),  # see `_quality`
    ]
)


@dataclass(frozen=True, slots=True)
class Shingling:
    """Tokens in a shingle."""

    words: int
    characters: int


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts in UTF-8, and where each begins and the last one ends: int64[n + 1]."""

    data: U8
    starts: I64

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Texts:
        texts = column.cast(pa.large_string()).combine_chunks()
        _, offsets, data = texts.buffers()
        starts = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
        return cls(np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8), starts)

    @property
    def longest(self) -> int:
        """Bytes of the longest text."""
        return int(np.diff(self.starts).max(initial=0))


def signing(config: DedupConfig) -> dict[str, JSON]:
    """Returns the parameters of `sign_part` that the settings ask for."""
    bands = banding(config)
    return {
        "ngram_words": config.ngram_words,
        "ngram_chars": config.ngram_chars,
        "permutations": config.permutations,
        "bands": bands.bands,
        "rows": bands.rows,
        "crossed": bands.crossed,
        "seed": config.seed,
    }


def sign_part(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes `FILES` for a file of documents; returns the number of documents of each source."""
    parameters = part.parameters
    shingling = Shingling(parameters["ngram_words"], parameters["ngram_chars"])
    permutations = kernels.permutations(parameters["permutations"], parameters["seed"])
    path = part.files[0].path
    count = int(pq.read_metadata(path).num_rows)
    keys = np.zeros(count, dtype=KEY)
    signatures = np.empty((count, parameters["permutations"]), dtype=np.uint32)
    sources: dict[str, int] = {}
    row = 0
    for table in iterate_tables(path, ["id", *LOCATOR, "first_seen", "language", "text"]):
        for source, number in _counts(table["source"]):
            sources[source] = sources.get(source, 0) + number
        here = slice(row, row + table.num_rows)
        keys[here] = _sign(table, shingling, permutations, signatures[here])
        row = here.stop
    np.save(folder / KEYS, keys, allow_pickle=False)
    np.save(folder / SIGNATURES, signatures, allow_pickle=False)
    comparable = np.flatnonzero(keys["comparable"])
    columns = Banding(parameters["bands"], parameters["rows"], parameters["crossed"]).columns()
    hashes = kernels.band_hashes(signatures[comparable], keys["language"][comparable], columns)
    _save_sorted(folder / BANDS, folder / BAND_ROWS, hashes, comparable)
    equals = np.stack([keys["exact"][:, 0], keys["id"][:, 0]])
    _save_sorted(folder / EQUALS, folder / EQUAL_ROWS, equals, np.arange(count))
    return {"sources": dict(sorted(sources.items()))}


def _save_sorted(hashes_path: Path, rows_path: Path, hashes: U64, numbers: I64) -> None:
    rows = np.empty(hashes.shape, dtype=np.uint32)
    for line in range(len(hashes)):
        order = np.argsort(hashes[line], kind="stable")
        hashes[line] = hashes[line][order]
        rows[line] = numbers[order]
    np.save(hashes_path, hashes, allow_pickle=False)
    np.save(rows_path, rows, allow_pickle=False)


def shingle_texts(table: pa.Table, shingling: Shingling) -> tuple[U64, I64]:
    """Returns the shingles of the texts of a table; see `kernels.shingle`."""
    texts = Texts.of(table["text"])
    return kernels.shingle(
        texts.data,
        texts.starts,
        texts.longest,
        _by_character(table),
        kernels.folding_table(),
        shingling.words,
        shingling.characters,
    )


def _by_character(table: pa.Table) -> Bools:
    return np.asarray(pc.is_in(table["language"], pa.array(CHARACTER_LANGUAGES)).combine_chunks())


def _sign(
    table: pa.Table, shingling: Shingling, permutations: tuple[U32, U32], signatures: U32
) -> npt.NDArray[np.void]:
    """Writes signatures of the documents of a table; returns their keys."""
    keys = np.zeros(table.num_rows, dtype=KEY)
    texts = Texts.of(table["text"])
    shingles, letters = kernels.sign_texts(
        texts.data,
        texts.starts,
        texts.longest,
        _by_character(table),
        kernels.folding_table(),
        shingling.words,
        shingling.characters,
        *permutations,
        signatures,
    )
    exact, size, characters = digests.digest_words(texts.data, texts.starts, texts.longest, digests.spacing_table())
    keys["exact"] = exact
    keys["id"] = _halves(bytes.fromhex("".join(table["id"].to_pylist())))
    names = [table[name].cast(pa.large_string()) for name in ("id", *LOCATOR, "language", "first_seen")]
    described = Texts.of(pc.binary_join_element_wise(*names, pa.scalar("\0", pa.large_string())))
    keys["document"] = digests.digest(described.data, described.starts, described.longest, exact)
    keys["day"] = np.asarray(table["first_seen"].cast(pa.date32()).cast(pa.int32()))
    keys["language"] = np.asarray(pc.index_in(table["language"], pa.array(LANGUAGES)))
    keys["comparable"] = shingles > 0
    keys["characters"] = characters
    keys["quality"] = _quality(letters, size)
    return keys


def _quality(letters: I64, size: I64) -> F64:
    """Returns how much of a text is letters and digits, times how long it is in them, from 0 to 1.

    Both are counted in bytes of UTF-8, of which a Chinese character has three: about what it says in English letters.
    """
    return letters / np.maximum(size, 1) * (np.minimum(letters, LONG_BYTES) / LONG_BYTES)


def _halves(digests: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _counts(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    counted: Any = pc.value_counts(column.combine_chunks())
    for item in counted.to_pylist():
        yield item["values"], item["counts"]
