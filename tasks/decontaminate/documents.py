"""The documents of a shard that hold what evaluation sets say: these alone are read, and of these what is not known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from tasks.arrays.utf8 import I64, U8, U64
from tasks.decontaminate import ordered
from tasks.decontaminate.grams import BATCH_BYTES, Grams, as_bytes
from tasks.decontaminate.hashing import checks
from tasks.decontaminate.index import length_of, open_array
from tasks.decontaminate.outcome import DESCRIPTION, DIGEST_BYTES, Known, joined, ranges, write_outcome
from tasks.decontaminate.rounds import cut_all
from tasks.engine.stage import JSON, Part
from tasks.tables.parquet import batches
from tasks.tables.rows import take_rows


@dataclass(frozen=True)
class Wanted:
    """What to cut: n-grams by hash, and the second hashes that confirm them."""

    grams: U64
    checks: U64
    bits: U8

    @classmethod
    def of(cls, grams: U64, known: Path, known_checks: Path) -> Self:
        """Takes some sorted n-grams from files that hold them among others, sorted, a hash of several checks twice."""
        every = open_array(known)
        places, _ = ranges(np.searchsorted(every, grams), np.searchsorted(every, grams, side="right"))
        return cls(every[places], open_array(known_checks)[places], ordered.remainders(grams))

    def places_in(self, found: Grams) -> I64:
        """Returns which n-grams are wanted: by hash, then by the other hash."""
        places, rows = ordered.among(found.values, self.grams, self.bits)
        second = checks(found.firsts[places], found.sizes[places], found.hashes)
        return places[ordered.confirmed(second, rows, self.grams, self.checks)]


def cut_documents(part: Part, folder: Path) -> dict[str, JSON]:
    """Writes what became of the documents of a shard; see `outcome.write_outcome`.

    The parameters hold the length of n-grams, `max_share`, and the digest of the n-grams that are wanted of this shard;
    `execution` says where lie these (`grams`), what each document `held` of them (`outcome.PAIR`, by row of the shard),
    the checks of all that are `wanted` anywhere, and what is `known`, of a shard with the `same` bytes or others.

    Returns the documents that were cut and dropped, by source and language.
    """
    execution = part.execution
    path = part.files[0].path
    grams = np.load(execution["grams"], allow_pickle=False)
    held = np.load(execution["held"], allow_pickle=False)
    known = Known.read(execution["known"])
    rows, numbers = np.unique(held["document"], return_inverse=True)
    rows = rows.astype(np.int64)
    by_number = held.copy()
    by_number["document"] = numbers
    texts = None
    if execution["same"]:
        places = known.with_rows(rows)
    else:
        texts = take_rows(path, rows.tolist(), ["text"])
        digests = [digest for batch in batches(texts, "text", BATCH_BYTES) for digest in digests_of(batch["text"])]
        places = known.with_digests(digests)
    standing = known.standing(places, by_number, grams)

    known_numbers, fresh = np.flatnonzero(standing >= 0), np.flatnonzero(standing < 0)
    outcomes = [known.outcome.taken(standing[known_numbers], rows[known_numbers])]
    if len(fresh):
        wanted = Wanted.of(grams, Path(execution["wanted"]), Path(execution["checks"]))
        looked_at = take_rows(path, rows[fresh].tolist(), ["text"]) if texts is None else texts.take(pa.array(fresh))
        done = 0
        for batch in batches(looked_at, "text", BATCH_BYTES):
            here = rows[fresh[done : done + batch.num_rows]]
            found = cut_all(batch["text"], wanted.places_in, length_of(part), part.parameters["max_share"], digests_of)
            outcomes.append(found.taken(np.arange(found.documents.num_rows), here[found.documents["row"].to_numpy()]))
            done += batch.num_rows
    outcome = joined(outcomes)
    description = take_rows(path, outcome.documents["row"].to_pylist(), DESCRIPTION)
    documents = write_outcome(folder, outcome, description, held, grams)
    figures: dict[str, dict[str, dict[str, int]]] = {}
    keys = ["source", "language", "action"]
    for row in documents.group_by(keys, use_threads=False).aggregate([([], "count_all")]).to_pylist():
        figures.setdefault(row["source"], {}).setdefault(row["language"], {})[row["action"]] = row["count_all"]
    return {"documents": figures}


def digests_of(texts: pa.ChunkedArray) -> list[bytes]:
    """Returns a digest of each text."""
    content, starts = as_bytes(texts)
    data, bounds = content.data, starts.tolist()
    return [hashlib.blake2b(data[begin:end], digest_size=DIGEST_BYTES).digest() for begin, end in pairwise(bounds)]
