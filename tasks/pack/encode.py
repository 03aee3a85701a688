"""Encodes one shard: a pure function of its rows and the tokenizer.

Texts go to SentencePiece in batches, so that its threads have work and memory is bounded by a row group, a batch of
text and its ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from schemas.tokens import RESERVED
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import iterate_tables
from tasks.tokens.encoding import encode_corpus, load_processor
from tasks.tokens.files import TokenWriter

BATCH_BYTES = 4 << 20
"""UTF-8 bytes of text encoded together."""

TOKENS_FILE = "tokens.bin"
INDEX_FILE = "tokens.idx"


def encode_shard(part: Part, folder: Path) -> Mapping[str, JSON]:
    """Writes the token files of a shard.

    Args:
        part: Its files are the shard and the SentencePiece model; `execution["threads"]` says how many threads encode.
        folder: Where `tokens.bin` and `tokens.idx` are written.

    Returns:
        For each language `documents`, `tokens` (`<s>` and `</s>` included), `text_bytes` and `byte_tokens` (tokens that
        spell single bytes).
    """
    shard, model = (file.path for file in part.files)
    threads = part.execution.get("threads", 1)
    processor = load_processor(model)
    vocabulary = processor.get_piece_size()
    is_byte = np.fromiter((processor.is_byte(place) for place in range(vocabulary)), dtype=bool, count=vocabulary)
    figures: dict[str, Counter[str]] = {}
    with TokenWriter(folder / TOKENS_FILE, folder / INDEX_FILE, vocabulary) as writer:
        for rows in _batches(shard):
            encoded = encode_corpus(processor, [row.text for row in rows], threads)
            for row, tokens in zip(rows, encoded, strict=True):
                assert not len(tokens) or tokens.min() >= RESERVED, "a text was given a reserved id"
                writer.write(tokens, row.language, row.size, row.source)
                counted = figures.setdefault(row.language, Counter())
                counted["documents"] += 1
                counted["tokens"] += len(tokens) + 2
                counted["text_bytes"] += row.size
                counted["byte_tokens"] += int(np.count_nonzero(is_byte[tokens]))
    return {language: dict(counted) for language, counted in sorted(figures.items())}


class _Row(NamedTuple):
    language: str
    source: str
    text: str
    size: int
    """Bytes of the text in UTF-8."""


def _batches(shard: Path) -> Iterator[list[_Row]]:
    """Yields rows by about `BATCH_BYTES`."""
    batch: list[_Row] = []
    size = 0
    for table in iterate_tables(shard, ["language", "source", "text"]):
        for row in _rows(table):
            batch.append(row)
            size += row.size
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _rows(table: Any) -> Iterator[_Row]:
    columns = [table[name].to_pylist() for name in ("language", "source", "text")]
    yield from map(_Row, *columns, pc.binary_length(table["text"]).to_pylist())
