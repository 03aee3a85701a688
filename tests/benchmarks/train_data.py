"""Token files of a folder of Parquet documents, for the benchmarks of training.

FOLDER holds files with the columns `content` and `lang`; every `EVERY`-th document is held out.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl

from schemas.config.tokenizer import TokenizerConfig
from tasks.tokenizer.build import train_on
from tasks.tokens.encoding import MODEL_FILE, encode_text, load_processor
from tasks.tokens.files import TokenWriter

EVERY = 50
SAMPLE_CHARACTERS = 4_000_000
"""Of each language, that the tokenizer is trained on."""
MAX_CHARACTERS = 20_000
"""Of a document that is read: one book is not to fill the validation split."""


def read_documents(folder: Path, characters: int) -> list[tuple[str, str]]:
    """Returns (language, text) in an order drawn once, at most so many characters of each language."""
    frames = [pl.read_parquet(path, columns=["content", "lang"]) for path in sorted(folder.glob("*.parquet"))]
    rows = pl.concat(frames).filter(pl.col("lang").is_in(["en", "zh"])).rows()
    random.Random(0).shuffle(rows)
    left = {"en": characters, "zh": characters}
    found = []
    for text, language in rows:
        if left[language] > 0:
            found.append((language, text[:MAX_CHARACTERS]))
            left[language] -= len(found[-1][1])
    return found


def prepare(folder: Path, target: Path, vocabulary: int, characters: int) -> None:
    """Writes `train.bin`, `train.idx`, `valid.bin`, `valid.idx` and the tokenizer's model into a folder."""
    documents = read_documents(folder, characters)
    sample: dict[str, list[str]] = {"en": [], "zh": []}
    taken = {"en": 0, "zh": 0}
    for language, text in documents:
        if taken[language] < SAMPLE_CHARACTERS:
            taken[language] += len(text)
            sample[language].append(text)
    (target / MODEL_FILE).write_bytes(train_on(sample, TokenizerConfig(vocab_size=vocabulary)).model)
    processor = load_processor(target)
    for split in ("train", "valid"):
        with TokenWriter(target / f"{split}.bin", target / f"{split}.idx", vocabulary) as writer:
            for number, (language, text) in enumerate(documents):
                if (number % EVERY == 0) == (split == "valid"):
                    writer.write(np.array(encode_text(processor, text), np.int32), language, len(text.encode()))
