"""Which documents a model and its ancestors were trained on: 8 bytes a document, handed on from night to night.

`documents.u64` holds the first 8 bytes of BLAKE2b of each document's tokens as little-endian integers, sorted, each
once. A document counts that stood in a training split, whether or not the steps sufficed to read it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.engine.stage import InputOutput
from tasks.tokens.token_set import TokenSet

NAME = "documents.u64"

Hashes = npt.NDArray[np.uint64]


def document_hashes(tokens: TokenSet) -> Hashes:
    """Returns the hash of each document: uint64[n_documents]."""
    found = np.empty(tokens.n_documents, dtype="<u8")
    for number in range(tokens.n_documents):
        data = np.ascontiguousarray(tokens.document(number), dtype="<i8").tobytes()
        found[number] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    return found


def read_seen(output: InputOutput) -> Hashes:
    """Returns what a parent and its ancestors were trained on: uint64[n], sorted."""
    (file,) = output.files
    return np.fromfile(file.path, dtype="<u8")


def write_seen(path: Path, earlier: Hashes, tonight: Hashes) -> int:
    """Writes what a model was trained on, and returns how many documents that are."""
    seen = np.union1d(earlier, tonight).astype("<u8")
    seen.tofile(path)
    return len(seen)
