"""Sharding and decontamination of a folder of real documents against a folder of real test sets.

    python tests/benchmarks/bench_decontaminate.py CORPUS TASKS [--share 1.0] [--workers 1] [--json FILE]

CORPUS holds Parquet files with the columns `id`, `content`, `format` and `lang`; TASKS holds `<task>.test.parquet`.
Each stage is built in a process of its own, so that peaks of memory are its own; CPU seconds are as the system counts
them, imports included and told apart. Then 2 % of new documents arrive, and both stages are built again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text

from schemas.manifest import FileRecord
from schemas.tables import CLEANED, CLUSTERS, DUPLICATES
from tasks.engine.child import build
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.store.store import Store
from tasks.tables.parquet import write_table

PART_BYTES = 16 << 20
NEW = 0.02
ANSWERS = ("answer", "summary", "label", "zh", "chosen")
LEFT_OUT = ("lang", "source", "score", "domain", "margin", "answer_start")


def documents(folder: Path, share: float, copies: int) -> pl.DataFrame:
    """Returns cleaned documents in a fixed order; copies beyond the first have every tenth word altered."""
    frames = []
    for path in sorted(folder.glob("*.parquet")):
        frame = pl.read_parquet(path).filter(pl.col("lang").is_in(["en", "zh"]))
        frame = frame.sample(max(1, int(frame.height * share)), seed=1) if share < 1 else frame
        texts = [
            extract_plain_text(text) if format == "html" else text
            for text, format in frame.select("content", "format").iter_rows()
        ]
        frames.append(pl.DataFrame({"source": path.stem, "text": texts, "language": frame["lang"]}))
    one = pl.concat(frames)
    copied = [one]
    for copy in range(1, copies):
        altered = [
            " ".join(
                f"{word}{copy}" if number % 10 == copy % 10 else word for number, word in enumerate(text.split(" "))
            )
            for text in one["text"]
        ]
        copied.append(one.with_columns(text=pl.Series(altered, dtype=pl.String)))
    frame = pl.concat(copied).filter(pl.col("text").str.strip_chars().str.len_chars() > 20)
    ids = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in frame["text"]]
    return (
        frame.with_columns(id=pl.Series(ids))
        .unique("id", keep="first", maintain_order=True)
        .with_row_index("row")
        .with_columns(
            path=pl.col("row").cast(pl.String),
            offset=pl.lit(0, pl.Int64),
            licence=pl.lit(""),
            origin=pl.lit(""),
            first_seen=pl.lit("2026-01-01"),
            date=pl.lit(""),
        )
        .drop("row")
    )


def stored(store: Store, scratch: Path, frame: pl.DataFrame) -> list[FileRecord]:
    """Cuts documents into files of about `PART_BYTES`."""
    sizes = frame["text"].str.len_bytes().cum_sum()
    records = []
    for number, group in enumerate(frame.with_columns(part=sizes // PART_BYTES).partition_by("part")):
        path = scratch / f"{group['id'][0]}.parquet"
        count = write_table(path, group.select(CLEANED.names).to_arrow().cast(CLEANED), CLEANED)
        digest, size = store.objects.take(path)
        records.append(
            FileRecord(name=f"part-{number:05}-{group['id'][0]}.parquet", digest=digest, size=size, rows=count)
        )
    return records


def peak_mib() -> float:
    """Returns this process's own peak: `ru_maxrss` begins at that of the process it was spawned from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def run(
    stage: str, settings: dict[str, Any], inputs: dict[str, Any], look: Any, store: str, workers: int, out: str
) -> None:
    """Builds in this process, spawned for it, and leaves the result with what it took."""
    began = time.process_time()
    if stage == "shard":
        from tasks.shard.stage import STAGE
    else:
        import tasks.decontaminate.build as loaded
        from tasks.decontaminate.grams import Length, find_grams
        from tasks.decontaminate.stage import STAGE

        find_grams(pa.array(["compiled"], pa.large_string()), Length(2, 1), whole=False)
        assert loaded
    loading = time.process_time() - began
    spec = BuildSpec(
        node=stage,
        stage=stage,
        settings=settings,
        inputs=inputs,
        look=look,
        date="2026-01-01",
        code="",
        store=store,
        folder=f"{store}/work",
        threads=1,
        workers=workers,
    )
    wall = time.perf_counter()
    before = os.times()
    result = build(spec, STAGE, tell=lambda event: None, stop=threading.Event())
    after = os.times()
    wall = time.perf_counter() - wall
    figures = {
        "cpu_s": sum(after[:4]) - sum(before[:4]),
        "wall_s": wall,
        "imports_cpu_s": loading,
        "peak_mib": peak_mib(),
        "workers_peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    Path(out).write_text(json.dumps({"result": result.model_dump(), "figures": figures}))


def measured(
    store: Store, workers: int, stage: str, settings: Any, inputs: Any, look: Any = None
) -> tuple[BuildResult, Any]:
    out = store.root / "measured.json"
    process = multiprocessing.get_context("spawn").Process(
        target=run,
        args=(
            stage,
            settings,
            {name: spec.model_dump() for name, spec in inputs.items()},
            look,
            str(store.root),
            workers,
            str(out),
        ),
    )
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"building {stage} ended with {process.exitcode}")
    found = json.loads(out.read_text())
    result = BuildResult.model_validate(found["result"])
    if result.error is not None:
        raise SystemExit(str(result.error))
    return result, found["figures"]


def evaluation_sets(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    settings, look = {}, {}
    for path in sorted(folder.glob("*.test.parquet")):
        name = path.name.split(".")[0]
        columns = [column for column in pl.read_parquet_schema(path) if column not in LEFT_OUT]
        answers = [column for column in columns if column in ANSWERS]
        settings[name] = {
            "path": str(path),
            "fields": [column for column in columns if column not in answers],
            "answers": answers,
            "max_bad_fraction": 0.5,
        }
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        look[name] = [[path.name, digest, "parquet"]]
    return settings, look


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the documents")
    parser.add_argument("--copies", type=int, default=1, help="of each document, with every tenth word altered")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--shard-bytes", type=int, default=16 << 20)
    parser.add_argument("--boilerplate", type=int, default=None)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    evaluations, look = evaluation_sets(arguments.tasks)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        store = Store.open(scratch / "store")
        frame = documents(arguments.corpus, arguments.share, arguments.copies)
        is_new = pl.col("id").str.slice(0, 8).str.to_integer(base=16) % 100 < 100 * NEW
        old = stored(store, scratch, frame.filter(~is_new))
        fresh = stored(store, scratch, frame.filter(is_new))
        new = frame.filter(is_new).height
        fresh = [record.model_copy(update={"name": f"new-{record.name}"}) for record in fresh]
        found = {}
        for table, schema in (("duplicates", DUPLICATES), ("clusters", CLUSTERS)):
            path = scratch / f"{table}.parquet"
            write_table(path, schema.empty_table(), schema)
            digest, size = store.objects.take(path)
            found[table] = InputSpec(files=[FileRecord(name=path.name, digest=digest, size=size, rows=0)], folder="")
        size_mb = frame["text"].str.len_bytes().sum() / 1e6
        report: dict[str, Any] = {"documents": frame.height, "megabytes": round(size_mb, 1)}
        print(f"{frame.height:,} documents, {size_mb:.0f} MB; {new:,} of them come in the second night")
        settings: dict[str, Any] = {"evaluations": evaluations}
        if arguments.boilerplate is not None:
            settings["boilerplate_documents"] = arguments.boilerplate
        for night, files in (("full", old), ("night", [*old, *fresh])):
            inputs = {"documents": InputSpec(files=files, folder=""), **found}
            sharded, figures = measured(
                store, arguments.workers, "shard", {"shard_bytes": arguments.shard_bytes}, inputs
            )
            report[f"shard_{night}"] = figures | {"parts": sharded.metrics["parts"]}
            splits = {split: InputSpec(files=sharded.outputs[split], folder="") for split in ("train", "valid", "test")}
            result, figures = measured(store, arguments.workers, "decontaminate", settings, splits, look)
            figures["documents_per_cpu_s"] = result.metrics["rows_in"] / figures["cpu_s"]
            metrics = {key: value for key, value in result.metrics.items() if key != "sources"}
            report[f"decontaminate_{night}"] = figures | metrics
            for stage in ("shard", "decontaminate"):
                one = report[f"{stage}_{night}"]
                print(
                    f"{night:6} {stage:14} {one['cpu_s']:6.2f} CPU s {one['wall_s']:6.2f} s, imports"
                    f" {one['imports_cpu_s']:.1f} CPU s, peak {one['peak_mib']:.0f} MiB, parts {one['parts']}"
                )
            print({key: value for key, value in metrics.items() if key not in ("evaluations", "parts")})
        print(f"{report['decontaminate_full']['documents_per_cpu_s']:,.0f} documents per CPU second")
        for evaluation, counts in report["decontaminate_full"]["evaluations"].items():
            print(f"{evaluation:40} {counts}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
