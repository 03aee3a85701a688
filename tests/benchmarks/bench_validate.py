"""CPU seconds and memory of validation beside the sharding that it checks, on a folder of real documents.

    python tests/benchmarks/bench_validate.py FOLDER [--times 1 10] [--json FILE]

FOLDER holds Parquet files with the columns `content` and `lang`. The documents are deduplicated, sharded and validated
as they are, and so many times over: each time their words are others (one in four is replaced), so that no document is
a duplicate of its former self. Every stage runs in a process of its own; what its imports cost (Great Expectations,
compiled code) is measured there before it begins, and told apart. `again` validates with every part at hand: what a
night without new shards would cost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

FILE_BYTES = 8 << 20
"""Text in one of the files that sharding reads."""


def write_documents(folder: Path, target: Path, times: int) -> None:
    """Writes CLEANED files."""
    import polars as pl
    import pyarrow as pa

    from schemas.tables import CLEANED
    from tasks.tables.parquet import write_table

    frame = pl.concat([pl.read_parquet(path, columns=["content", "lang"]) for path in sorted(folder.glob("*.parquet"))])
    frame = frame.filter(pl.col("lang").is_in(["en", "zh"]))
    number = 0
    for turn in range(times):
        rows: list[dict[str, Any]] = []
        size = 0
        for place, (content, language) in enumerate(frame.iter_rows()):
            text = altered(content, language, turn) if turn else content
            rows.append(
                {
                    "id": hashlib.sha256(text.encode()).hexdigest()[:32],
                    "source": f"corpus{turn}",
                    "path": f"{place:08}",
                    "offset": 0,
                    "licence": "unknown",
                    "origin": "corpus",
                    "first_seen": "2026-01-01",
                    "date": "",
                    "language": language,
                    "text": text,
                }
            )
            size += len(text.encode())
            if size >= FILE_BYTES or place == frame.height - 1:
                table = pa.Table.from_pylist(rows, schema=CLEANED)
                write_table(target / f"part-{number:06}.parquet", table, CLEANED)
                rows, size, number = [], 0, number + 1


def altered(text: str, language: str, turn: int) -> str:
    """Replaces every fourth word, or Chinese character, by another."""
    if language == "zh":
        return "".join(chr(0x4E00 + (ord(c) * 31 + turn) % 20000) if n % 4 == 0 else c for n, c in enumerate(text))
    return " ".join(f"{word}{turn}" if n % 4 == 0 else word for n, word in enumerate(text.split(" ")))


def build_stage(name: str, work: Path) -> None:
    """Builds a stage in this process and prints what it cost."""
    from schemas.manifest import FileRecord
    from tasks.engine.child import build
    from tasks.engine.spec import BuildSpec, InputSpec
    from tasks.engine.stage import Stage
    from tasks.store.store import Store

    store = Store.open(work / "store")
    settings: dict[str, Any]
    inputs: dict[str, InputSpec]
    stage: Stage
    before = time.process_time()
    if name == "dedup":
        from tasks.dedup.stage import STAGE as DEDUP

        stage, settings = DEDUP, DEDUP.config().model_dump(mode="json")
        records = []
        for path in sorted((work / "documents").glob("*.parquet")):
            digest, size = store.objects.take(path)
            records.append(FileRecord(name=path.name, digest=digest, size=size))
        inputs = {"documents": InputSpec(files=records, folder="")}
    elif name == "shard":
        import tasks.shard.shards
        from tasks.shard.stage import STAGE as SHARD

        assert tasks.shard.shards
        stage, settings = SHARD, SHARD.config().model_dump(mode="json")
        inputs = read_outputs(work, "dedup")
    else:
        import tasks.validate.checks
        import tasks.validate.pages
        from tasks.tables.card import dataset_card
        from tasks.validate.kernel import SKETCH, similarity
        from tasks.validate.measures import Shingling, shingle_sets
        from tasks.validate.nearness import Documents, candidates
        from tasks.validate.stage import STAGE as VALIDATE

        assert tasks.validate.checks and tasks.validate.pages
        import numpy as np
        import pyarrow as pa

        shingle_sets(pa.table({"text": pa.array(["a"], pa.large_string()), "language": ["en"]}), Shingling(5, 5))
        sketch, rank = np.zeros((1, SKETCH), np.uint32), np.zeros(1, np.uint64)
        similarity(rank, rank)
        one = partial(tuple, (sketch, rank))
        candidates([Documents(split, cast(Any, None), 1, one) for split in ("train", "test")], 0.8)
        stage = VALIDATE
        # As warnings, so that a corpus that was not deduplicated is checked to the end.
        from schemas.expectations import DEFAULTS

        relaxed = {key: found.model_dump() | {"severity": "warning"} for key, found in DEFAULTS.items()}
        settings = VALIDATE.config.model_validate({"expectations": relaxed}).model_dump(mode="json")
        card = work / "README.md"
        card.write_text(dataset_card([], {}, []))
        digest, size = store.objects.take(card)
        inputs = {
            **read_outputs(work, "shard"),
            "card": InputSpec(files=[FileRecord(name=card.name, digest=digest, size=size)], folder=""),
        }
    imports = time.process_time() - before
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spec = BuildSpec(
        node=name,
        stage=name,
        settings=settings,
        inputs=inputs,
        date="2026-01-01",
        code="",
        store=str(store.root),
        folder=str(work / "work" / name),
        threads=1,
        workers=1,
    )
    before = time.process_time()
    result = build(spec, stage, tell=lambda event: None, stop=threading.Event())
    seconds = time.process_time() - before
    if result.error is not None:
        raise SystemExit(str(result.error))
    outputs = {output: [file.model_dump() for file in files] for output, files in result.outputs.items()}
    (work / f"{name}.json").write_text(json.dumps(outputs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {
        "documents": result.metrics["rows_out"],
        "cpu_seconds": round(seconds, 2),
        "import_cpu_seconds": round(imports, 2),
        "peak_mib": round(peak / 1024),
        "of_it_imports_mib": round(memory_before / 1024),
        "parts": result.metrics.get("parts"),
        "unmet": result.metrics.get("unmet"),
        "held_out_near": result.metrics.get("held_out_near"),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def read_outputs(work: Path, name: str) -> dict[str, Any]:
    """Returns what a stage left, as inputs of the next; README files and the like are none."""
    from tasks.engine.spec import InputSpec

    outputs = json.loads((work / f"{name}.json").read_text())
    tables = {output: files for output, files in outputs.items() if files[0]["name"].endswith(".parquet")}
    return {output: InputSpec(files=files, folder="") for output, files in tables.items()}


def in_process(name: str, work: Path, *more: str) -> dict[str, Any]:
    """Runs a stage in a process of its own."""
    command = [sys.executable, __file__, *more, "--stage", name, "--work", str(work)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stderr)
    return dict(json.loads(said.stdout.splitlines()[-1]))


def measure(folder: Path, times: int) -> dict[str, Any]:
    """Shards and validates a corpus, and validates it once more with every part at hand."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "documents").mkdir()
        in_process("documents", work, str(folder), "--times", str(times))
        found: dict[str, Any] = {"times": times}
        for step in ("dedup", "shard", "validate", "again"):
            found[step] = in_process("validate" if step == "again" else step, work)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage == "documents":
        write_documents(arguments.folder, arguments.work / "documents", arguments.times[0])
        sys.stdout.write("{}\n")
        return
    if arguments.stage:
        build_stage(arguments.stage, arguments.work)
        return
    found = [measure(arguments.folder, times) for times in arguments.times]
    for one in found:
        sys.stdout.write(f"×{one['times']}\n")
        for step in ("dedup", "shard", "validate", "again"):
            sys.stdout.write(f"  {step:<10}{one[step]}\n")
    if len(found) > 1:
        ratio = found[-1]["validate"]["peak_mib"] / found[0]["validate"]["peak_mib"]
        sys.stdout.write(f"peak memory of validation ×{found[-1]['times']} against ×{found[0]['times']}: {ratio:.2f}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
