"""The data plane as a whole on a folder of real documents: `make bench-data CORPUS=FOLDER`, or

    python tests/benchmarks/bench_data.py FOLDER [refresh] [cores] [memory] [--share 1.0] [--json FILE]

FOLDER holds Parquet files with the columns `content`, `format` and `lang`. Measures `nightmill run --until validate`:

- refresh: a night that brings 2 % new documents, beside the full run over all of them (goal: 8 % of its CPU seconds);
- cores: wall seconds of collect, clean and dedup's signatures with one and with two worker processes (goal: 1.7 times);
  beside them CPU seconds, and what these would give on two cores that do nothing else;
- memory: each stage's peak on a tenth of the documents and on all of them (goal: 1.25 times).

CPU seconds are what the operating system counted for the command and all its children. What starting costs
(interpreter, imports, compiled code loaded) is measured on a corpus of a few documents and taken off both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from flows.lookup import find_run  # noqa: E402
from flows.session import Request, manifests_of, prepare  # noqa: E402
from tasks.engine.launcher import ProcessLauncher  # noqa: E402
from tasks.engine.processes import Usage  # noqa: E402
from tasks.engine.spec import BuildSpec, InputSpec  # noqa: E402
from tasks.store.store import Store  # noqa: E402

MARKUP = {"html": "html", "md": "markdown", "rst": "rst"}
FILE_BYTES = 1 << 20
PART_BYTES = 4 << 20
SMALLER = 8
"""Files and parts are so many times smaller where memory is measured: a tenth must be many parts of each source too."""
NIGHT_SHARE = 0.02
ROUNDS, COPIES = 2, 4
"""How often the builders are timed where cores are measured, and how often the corpus lies there."""

FIRST, SECOND = "2026-01-01", "2026-01-02"


def documents(folder: Path, share: float) -> pl.DataFrame:
    """All documents in an order that does not depend on their file: a night's new ones are like the others."""
    columns = ["content", "format", "lang"]
    frame = pl.concat([pl.read_parquet(path, columns=columns) for path in sorted(folder.glob("*.parquet"))])
    return frame.filter(pl.col("lang").is_in(["en", "zh"])).sample(fraction=share, shuffle=True, seed=1)


def lay_out(frame: pl.DataFrame, folder: Path, prefix: str, file_bytes: int = FILE_BYTES) -> None:
    """Writes the documents as Parquet files of about so many bytes of text, a folder for each markup."""
    for (kind,), rows in frame.group_by("format", maintain_order=True):
        place = folder / MARKUP.get(str(kind), "text")
        place.mkdir(parents=True, exist_ok=True)
        for number, piece in enumerate(_pieces(rows, file_bytes)):
            piece.select(text="content").write_parquet(place / f"{prefix}-{kind}-{number:04}.parquet")


def _pieces(rows: pl.DataFrame, file_bytes: int) -> Iterator[pl.DataFrame]:
    numbered = rows.with_columns(piece=pl.col("content").str.len_bytes().cum_sum() // file_bytes)
    for _, piece in numbered.group_by("piece", maintain_order=True):
        yield piece


class Corpus:
    """A corpus on disk, a configuration and a store.

    Args:
        folder: For all of it.
        part_bytes: Target of collect's parts; shards are twice as large.
    """

    def __init__(self, folder: Path, part_bytes: int = PART_BYTES) -> None:
        self.folder = folder
        self.part_bytes = part_bytes
        self.data = folder / "data"
        self.data.mkdir(parents=True)

    def run(self, date: str, *, workers: int = 1, until: str = "validate") -> tuple[float, dict[str, Any]]:
        """Runs to a stage; returns the CPU seconds of the command and its children, and its record by stage."""
        sources = {
            place.name: {"path": str(place), "licence": "unknown", "record_format": place.name}
            for place in sorted(self.data.iterdir())
        }
        config = self.folder / "pipeline.yaml"
        settings = {
            "name": "bench",
            "store": "store",
            "execution": {"parallel": 1, "workers": workers, "threads": 1},
            "snapshot": {"sources": sources},
            "collect": {"part_bytes": self.part_bytes},
            "shard": {"shard_bytes": 2 * self.part_bytes},
        }
        config.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "flows.command", "run", str(config), "--until", until, "--date", date]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run([*command, "--no-prefect"], env=environment, cwd=ROOT, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        record = find_run(Store.open(self.folder / "store"), "latest")
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, {stage.node: stage for stage in record.stages if stage.node.split(".")[0] not in ("examples",)}


def refresh(frame: pl.DataFrame, scratch: Path) -> dict[str, Any]:
    """A night of 2 % new documents beside the full run."""
    night = frame.tail(int(frame.height * NIGHT_SHARE))
    before = frame.head(frame.height - night.height)
    for name in ("cold", "tiny"):  # the first compiles what the second loads
        tiny = Corpus(scratch / name)
        lay_out(frame.gather_every(max(1, frame.height // 400)), tiny.data, "base")
        start, start_stages = tiny.run(FIRST)
    nightly, full = Corpus(scratch / "nightly"), Corpus(scratch / "full")
    lay_out(before, nightly.data, "base")
    nightly.run(FIRST)
    lay_out(night, nightly.data, "night")
    lay_out(before, full.data, "base")
    lay_out(night, full.data, "night")
    full_seconds, full_stages = full.run(FIRST)
    night_seconds, night_stages = nightly.run(SECOND)
    print(f"{frame.height:,} documents, of them {night.height:,} new; CPU seconds (starting costs {start:.1f})")
    print(f"{'stage':<14} {'full':>8} {'night':>8} {'start':>8}  parts of the night: reused of all")
    for name, stage in full_stages.items():
        if stage.outcome == "skipped":
            continue
        other, first = night_stages[name], start_stages[name]
        print(f"{name:<14} {stage.cpu_seconds:8.2f} {other.cpu_seconds:8.2f} {first.cpu_seconds:8.2f}  {other.outcome}")
    share = (night_seconds - start) / (full_seconds - start)
    print(f"{'all':<14} {full_seconds:8.2f} {night_seconds:8.2f} {start:8.2f}  {share:.1%} of the full run (goal 8 %)")
    return {"full": full_seconds, "night": night_seconds, "start": start, "share": share, "documents": frame.height}


def cores(frame: pl.DataFrame, scratch: Path) -> dict[str, Any]:
    """Seconds of three builders with one process and with two, in turns; the best of each counts.

    Each process takes about a second of CPU to start, imports and compiled code included: with few seconds of work that
    is most of what is measured, so the corpus is read several times over.
    """
    corpus = Corpus(scratch / "cores")
    for copy in range(COPIES):
        lay_out(frame, corpus.data, f"copy-{copy}")
    corpus.run(FIRST, until="clean")
    found: dict[str, dict[int, list[tuple[float, float, float]]]] = {}
    for _ in range(ROUNDS):
        for spec in _specs(corpus):
            for workers in (1, 2):
                usage, metrics = _built(spec.model_copy(update={"workers": workers}), scratch)
                one = (usage.seconds, usage.cpu_seconds, metrics["serial_s"])
                found.setdefault(spec.stage, {}).setdefault(workers, []).append(one)
    print(f"{'':<11}{'one':>7} {'two':>7} ratio   CPU of one, of two, in turn  ratio with free cores")
    figures = {}
    for name, by_workers in found.items():
        (one, cpu_one, _), (two, cpu_two, serial) = (
            [min(column) for column in zip(*by_workers[workers], strict=True)] for workers in (1, 2)
        )
        free = cpu_one / (serial + (cpu_two - serial) / 2)
        print(
            f"{name:<11}{one:7.2f} {two:7.2f} {one / two:5.2f}   {cpu_one:10.2f} {cpu_two:7.2f} {serial:8.2f}"
            f"  {free:.2f}"
        )
        figures[name] = {"one": one, "two": two, "cpu_one": cpu_one, "cpu_two": cpu_two, "serial": serial}
    return figures


def _specs(corpus: Corpus) -> list[BuildSpec]:
    """What the builders of `cores_builder.py` are to do, from the stages before."""
    session = prepare(Request(corpus.folder / "pipeline.yaml", last="clean"))
    manifests = manifests_of(session.store, find_run(session.store, "latest"))
    settings = {name: session.planner.settings(name).model_dump(mode="json") for name in ("collect", "clean", "dedup")}

    def spec(stage: str, given: str, name: str, node: str, output: str) -> BuildSpec:
        return BuildSpec(
            node=stage,
            stage=stage,
            settings=settings[given],
            inputs={name: InputSpec(files=manifests[node].outputs[output].files, folder="")},
            date=FIRST,
            code="",
            store=str(session.store.root),
            folder="",
            threads=1,
            workers=1,
            reuse_parts=False,
        )

    return [
        spec("collect", "collect", "files", "snapshot", "files"),
        spec("clean", "clean", "documents", "collect", "documents"),
        spec("signatures", "dedup", "documents", "clean", "documents"),
    ]


def _built(spec: BuildSpec, scratch: Path) -> tuple[Usage, dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        placed = spec.model_copy(update={"folder": folder})
        Path(folder, "spec.json").write_text(placed.model_dump_json())
        os.environ["PYTHONPATH"] = str(ROOT)
        result, usage = ProcessLauncher((sys.executable, str(Path(__file__).with_name("cores_builder.py"))))(
            Path(folder),
            node=spec.node,
            threads=1,
            stopping=lambda: False,
            lost=lambda: False,
            heard=lambda event: None,
        )
    return usage, result.metrics


def memory(frame: pl.DataFrame, scratch: Path) -> dict[str, Any]:
    """Peak memory of each stage on a tenth and on the whole, with small parts.

    Documents of more bytes than a part are left out of both: the longest decides the peak, however many there are.
    """
    part_bytes, file_bytes = PART_BYTES // SMALLER, FILE_BYTES // SMALLER
    short = frame.filter(pl.col("content").str.len_bytes() < part_bytes)
    peaks: dict[str, dict[str, float]] = {}
    for name, rows in (("x1", short.head(short.height // 10)), ("x10", short)):
        corpus = Corpus(scratch / name, part_bytes)
        lay_out(rows, corpus.data, "base", file_bytes)
        _, stages = corpus.run(FIRST)
        peaks[name] = {node: stage.peak_memory_bytes / 2**20 for node, stage in stages.items() if stage.rows_out}
    for node, peak in peaks["x10"].items():
        small = peaks["x1"][node]
        print(f"{node:<14} {small:7.0f} MiB on a tenth, {peak:7.0f} MiB on all: {peak / small:.2f}")
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("measures", nargs="*", help="refresh, cores, memory; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="share of the documents")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    frame = documents(arguments.folder, arguments.share)
    figures = {}
    for measure in (refresh, cores, memory):
        if not arguments.measures or measure.__name__ in arguments.measures:
            with tempfile.TemporaryDirectory() as scratch:
                figures[measure.__name__] = measure(frame, Path(scratch))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
