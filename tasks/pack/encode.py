"""Encodes one shard: a pure function of its rows and the tokenizer.

Texts go to SentencePiece in batches, so that its threads have work and memory is bounded by a row group, a batch of
text and its ids (about ten times the text while they are Python integers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from schemas.tokens import RESERVED
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import iterate_tables
from tasks.tokens.encoding import encode_texts, load_processor
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
            for (language, _, size), ids in zip(
                rows, encode_texts(processor, [text for _, text, _ in rows], threads), strict=True
            ):
                tokens = np.array(ids, dtype=np.int32)
                assert not (tokens < RESERVED).any(), "a text was given a reserved id"
                writer.write(tokens, language, size)
                figures.setdefault(language, Counter()).update(
                    documents=1, tokens=len(ids) + 2, text_bytes=size, byte_tokens=int(is_byte[tokens].sum())
                )
    return {language: dict(counted) for language, counted in sorted(figures.items())}


def _batches(shard: Path) -> Iterator[list[tuple[str, str, int]]]:
    """Yields rows (language, text, bytes) by about `BATCH_BYTES`."""
    batch: list[tuple[str, str, int]] = []
    size = 0
    for table in iterate_tables(shard, ["language", "text"]):
        for row in _rows(table):
            batch.append(row)
            size += row[2]
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _rows(table: Any) -> Iterator[tuple[str, str, int]]:
    sizes = pc.binary_length(table["text"])
    yield from zip(table["language"].to_pylist(), table["text"].to_pylist(), sizes.to_pylist(), strict=True)
