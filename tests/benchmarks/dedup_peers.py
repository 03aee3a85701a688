"""Deduplication by other libraries, Parquet in to survivors out; runs in .venv-peers, without this project.

    python dedup_peers.py datasketch|datasketch-verified|rensa|datatrove LANGUAGE FOLDER TARGET [DOCUMENTS]

FOLDER holds Parquet files with the columns `path` and `text`. Prints {"imports_cpu_s": …, "clusters": {path: path}}.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

PERMUTATIONS, BANDS, ROWS, THRESHOLD, LENGTH = 112, 14, 8, 0.8, 5
WORDS = re.compile(r"[^\W_]+")


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def shingles(text: str, language: str) -> set[bytes]:
    words = WORDS.findall(text.lower())
    if language == "zh":
        joined = "".join(words)
        return {joined[start : start + LENGTH].encode() for start in range(len(joined) - LENGTH + 1)}
    return {" ".join(words[start : start + LENGTH]).encode() for start in range(len(words) - LENGTH + 1)}


class Forest:
    """Union-find with path halving."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))

    def find(self, item: int) -> int:
        while self.parents[item] != item:
            self.parents[item] = self.parents[self.parents[item]]
            item = self.parents[item]
        return item

    def unite(self, left: int, right: int) -> None:
        left, right = self.find(left), self.find(right)
        self.parents[max(left, right)] = min(left, right)


def read(folder: Path) -> tuple[list[str], list[str], Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("*.parquet"))])
    return table["path"].to_pylist(), table["text"].to_pylist(), table


def write(target: Path, table: Any, forest: Forest) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stays = [forest.find(number) == number for number in range(table.num_rows)]
    pq.write_table(table.filter(pa.array(stays)), target / "survivors.parquet", compression="zstd")


def clusters(paths: list[str], forest: Forest) -> dict[str, str]:
    return {path: paths[forest.find(number)] for number, path in enumerate(paths)}


def datasketch(language: str, folder: Path, target: Path, verified: bool) -> dict[str, str]:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    paths, texts, table = read(folder)
    sets = [shingles(text, language) for text in texts]
    sketches = MinHash.bulk(
        sets, num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashfunc=lambda data: xxhash.xxh32(data).intdigest()
    )
    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    forest = Forest(len(paths))
    for number, sketch in enumerate(sketches):
        if not sets[number]:
            continue
        for other in index.query(sketch):
            if forest.find(other) == forest.find(number):
                continue
            if verified:
                shared = len(sets[number] & sets[other])
                if shared < THRESHOLD * (len(sets[number]) + len(sets[other]) - shared):
                    continue
            forest.unite(number, other)
        index.insert(number, sketch, check_duplication=False)
    write(target, table, forest)
    return clusters(paths, forest)


def rensa(language: str, folder: Path, target: Path) -> dict[str, str]:
    from rensa import RMinHash, RMinHashLSH

    paths, texts, table = read(folder)
    sets = [shingles(text, language) for text in texts]
    sketches = RMinHash.from_token_sets(sets, PERMUTATIONS, 1)
    index = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
    index.insert_many(sketches, 0)
    forest = Forest(len(paths))
    for number, found in enumerate(index.query_all(sketches)):
        if sets[number]:
            for other in found:
                if sets[other]:
                    forest.unite(number, other)
    write(target, table, forest)
    return clusters(paths, forest)


def datatrove(language: str, folder: Path, target: Path, limit: int) -> dict[str, str]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    os.environ["HF_HUB_OFFLINE"] = "1"
    config = MinhashConfig(n_grams=LENGTH, num_buckets=BANDS, hashes_per_bucket=ROWS, seed=1)
    code = {"en": "eng", "zh": "zho"}[language]

    def reader() -> Any:
        return ParquetReader(str(folder), text_key="text", id_key="path", limit=limit)

    def step(name: str, pipeline: list[Any], tasks: int = 1) -> None:
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(target / "logs" / name)).run()

    places = {name: str(target / name) for name in ("signatures", "buckets", "remove", "survivors")}
    step("1", [reader(), MinhashDedupSignature(places["signatures"], config=config, language=code)])
    step("2", [MinhashDedupBuckets(places["signatures"], places["buckets"], config=config)], tasks=BANDS)
    step("3", [MinhashDedupCluster(places["buckets"], places["remove"], config=config)])
    step("4", [reader(), MinhashDedupFilter(places["remove"]), ParquetWriter(places["survivors"])])
    return {}


def main() -> None:
    name, language, folder, target = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    import pyarrow.parquet  # noqa: F401

    if name == "datatrove":
        from datatrove.pipeline.dedup import minhash  # noqa: F401
        from datatrove.utils.word_tokenizers import load_word_tokenizer

        load_word_tokenizer({"en": "eng", "zh": "zho"}[language]).word_tokenize("Some words. 先说几句话。")
    elif name == "rensa":
        from rensa import RMinHash  # noqa: F401
    else:
        import xxhash  # noqa: F401
        from datasketch import MinHashLSH  # noqa: F401
    imports = cpu_seconds()
    if name == "datatrove":
        found = datatrove(language, folder, target, int(sys.argv[5]))
    elif name == "rensa":
        found = rensa(language, folder, target)
    else:
        found = datasketch(language, folder, target, name == "datasketch-verified")
    # Not ru_maxrss: that begins with what the process that started this one held.
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    print(json.dumps({"imports_cpu_s": imports, "peak_mib": int(line.split()[1]) / 1024, "clusters": found}))


if __name__ == "__main__":
    main()
