"""Deduplication's speed, memory, recall and precision on a folder of real documents with planted edits.

    python tests/benchmarks/bench_dedup.py FOLDER [--documents 20000] [--planted 2000]

FOLDER holds Parquet files with the columns `content` and `lang`. Into copies of some documents, edits of 0.5 to 15 % of
the words (Chinese: characters) are planted; what is similar is decided by comparing sets of shingles in plain Python.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.manifest import FileRecord
from schemas.tables import CLEANED, DUPLICATES
from tasks.dedup import kernels
from tasks.dedup.stage import STAGE
from tasks.engine.child import build
from tasks.engine.spec import BuildSpec, InputSpec
from tasks.store.store import Store
from tasks.tables.parquet import read_table, write_table

PART_ROWS = 10_000
CHECKED = 500
"""Near-duplicates whose similarity is computed anew."""


def tokens(text: str, language: str) -> list[str]:
    folded = "".join(letter.lower() if letter.isalnum() else " " for letter in text)
    return list(folded.replace(" ", "")) if language == "zh" else folded.split()


def similarity(left: str, right: str, language: str) -> float:
    sets = []
    for text in (left, right):
        found = tokens(text, language)
        sets.append({tuple(found[start : start + 5]) for start in range(len(found) - 4)})
    union = sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(union) if union else 0.0


def edited(text: str, language: str, source: random.Random) -> str:
    pieces = list(text) if language == "zh" else text.split(" ")
    share = source.uniform(0.005, 0.15)
    return ("" if language == "zh" else " ").join(
        source.choice(pieces) if source.random() < share else piece for piece in pieces
    )


def documents(folder: Path, limit: int, planted: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Returns rows, and the locators (original, copy) of planted pairs."""
    source = random.Random(1)
    frame = pl.concat([pl.read_parquet(path, columns=["content", "lang"]) for path in sorted(folder.glob("*.parquet"))])
    frame = frame.filter(pl.col("lang").is_in(["en", "zh"])).sample(min(limit, frame.height), seed=1)
    rows, pairs = [], []
    for number, (text, language) in enumerate(frame.iter_rows()):
        rows.append((f"{number:07}", text, language, "2026-01-01"))
        if number < planted:
            rows.append((f"{number:07}-copy", edited(text, language, source), language, "2026-01-02"))
            pairs.append((f"{number:07}", f"{number:07}-copy"))
    return [
        {
            "id": hashlib.sha256(text.encode()).hexdigest()[:32],
            "source": "corpus",
            "path": path,
            "offset": 0,
            "licence": "",
            "origin": "",
            "first_seen": seen,
            "language": language,
            "text": text,
        }
        for path, text, language, seen in rows
    ], pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--planted", type=int, default=2_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        store = Store.open(scratch / "store")
        rows, pairs = documents(arguments.folder, arguments.documents, arguments.planted)
        by_path = {row["path"]: row for row in rows}
        records = []
        for begin in range(0, len(rows), PART_ROWS):
            path = scratch / f"part-{begin:08}.parquet"
            count = write_table(path, pa.Table.from_pylist(rows[begin : begin + PART_ROWS], schema=CLEANED), CLEANED)
            digest, size = store.objects.take(path)
            records.append(FileRecord(name=path.name, digest=digest, size=size, rows=count))
        size_mb = sum(len(row["text"].encode()) for row in rows) / 1e6

        before = time.process_time()
        _, ends = kernels.shingle(
            np.zeros(1, np.uint8), np.array([0, 1]), np.array([False]), kernels.folding_table(), 5, 5
        )
        kernels.sign(np.zeros(0, np.uint64), ends, *kernels.permutations(112, 1))
        loading = time.process_time() - before
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        spec = BuildSpec(
            node="dedup",
            stage="dedup",
            settings=STAGE.config().model_dump(),
            inputs={"documents": InputSpec(files=records, folder="")},
            date="2026-01-01",
            code="",
            store=str(store.root),
            folder=str(scratch / "work"),
            threads=1,
            workers=1,
        )
        before = time.process_time()
        result = build(spec, STAGE, tell=lambda event: None, stop=threading.Event())
        seconds = time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if result.error is not None:
            raise SystemExit(str(result.error))
        gone = read_table(
            [store.objects.path(file.digest) for file in result.outputs["duplicates"]], DUPLICATES
        ).to_pylist()

    cluster = {row["path"]: row["cluster"] for row in gone}
    near = [row for row in gone if row["kind"] == "near"]
    by_id = {row["id"]: row for row in rows}
    true = [
        (left, right)
        for left, right in pairs
        if similarity(by_path[left]["text"], by_path[right]["text"], by_path[left]["language"]) >= 0.8
    ]
    together = sum(
        cluster.get(left, by_path[left]["id"]) == cluster.get(right, by_path[right]["id"]) for left, right in true
    )
    checked = random.Random(2).sample(near, min(CHECKED, len(near)))
    exact_figures = similar = 0
    for row in checked:
        document = by_path[row["path"]]
        found = similarity(document["text"], by_id[row["kept"]]["text"], document["language"])
        exact_figures += abs(found - row["jaccard"]) < 1e-9
        similar += found >= 0.8
    figures = {key: value for key, value in result.metrics.items() if key not in ("sources", "parts")}
    print(f"{len(rows):,} documents, {size_mb:.0f} MB: {seconds:.1f} CPU s, {len(rows) / seconds:,.0f} documents/CPU s")
    print(f"kernels loaded or compiled in {loading:.1f} CPU s; peak memory {peak / 1024:.0f} MiB")
    print(f"of it {memory / 1024:.0f} MiB were this script's own, documents included, before the stage began")
    print(f"recall of {len(true)} planted pairs with J >= 0.8: {together / max(1, len(true)):.4f}")
    print(f"similarity recomputed for {len(checked)} near-duplicates: {exact_figures} equal, {similar} at least 0.8")
    print(figures)


if __name__ == "__main__":
    main()
