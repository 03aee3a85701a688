"""Whether `clean` keeps its promises at their limits: hostile texts, two cores, ten times the corpus, the definitions.

    python tests/benchmarks/bench_clean_limits.py CORPUS [hostile] [cores] [memory] [definitions] [--rows N]

- hostile: seconds for texts made to be slow, at doubling sizes; linear is a ratio of about 2.
- cores: wall and CPU seconds of a build with one worker and with two, all published rules on. On a machine that others
  use too, the ratio of CPU seconds says more: 2 / (CPU of two / CPU of one) is what two free cores would give.
- memory: peak of a build of a tenth of the corpus and of all of it, one worker.
- definitions: every measure and every published rule on the documents of the corpus (of each file so many rows, or
  all) against the plain ones of tests/support. Of 91,209 documents (2,704,048 decisions) none differed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import polars as pl
from bench_clean import GROUPS, cpu_seconds, settings
from clean_corpus import collected, files, plain

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import clean_reference as reference

from schemas.manifest import FileRecord
from schemas.tables import COLLECTED
from tasks.clean.part import judge
from tasks.clean.published import measures, page_marks
from tasks.clean.rules import failing
from tasks.clean.stage import STAGE
from tasks.engine.child import build
from tasks.engine.spec import BuildSpec, InputSpec
from tasks.store.store import Store
from tasks.tables.parquet import write_table

PART_BYTES = 8_000_000
SIZES = (125_000, 250_000, 500_000, 1_000_000)
HOSTILE = {
    "at signs": "a@",
    "domains": "a@b.",
    "dots and digits": "1.",
    "numbers": "1234 ",
    "plus and numbers": "+1 (2) ",
    "colons": "2a00:",
    "hyphens": "-",
    "capitals": "DE89 ",
    "placeholders": "<EMAIL>",
    "newlines": "\n",
    "spaces": " ",
    "one letter": "a",
    "one character": "中",
    "letters apart": "a ",
    "sentences": "a. ",
    "quotes": '."',
    "brackets": "[{(",
    "short lines": "a\n",
    "phrases": "javascript ",
    "mojibake": "Ã¤Â",
    "combining": "a\u0301\u0300",
    "overstrike": "a\x08",
    "open tags": "<div>",
    "open cells": "<td>\n<p>",
    "comments": "<!-- ",
}


def hostile() -> None:
    """Prints seconds for each pattern at doubling sizes, as text and as HTML."""
    config = settings(GROUPS)
    base = collected(pl.DataFrame({"id": ["0"], "format": ["text"], "content": ["warm up. "]}))
    judge(base, config)
    for kind in ("text", "html"):
        for name, piece in HOSTILE.items():
            seconds = []
            for size in SIZES:
                text = piece * (size // len(piece.encode()))
                document = base.with_columns(text=pl.lit(text), format=pl.lit(kind))
                start = time.process_time()
                judge(document, config)
                seconds.append(time.process_time() - start)
            print(f"  {kind:<5}{name:<18}" + "".join(f"{value:8.3f}" for value in seconds), end="")
            print(f"   last doubling × {seconds[-1] / max(seconds[-2], 1e-3):.1f}")


def _build(store: Store, records: list[FileRecord], workers: int, answer: multiprocessing.Queue[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec = BuildSpec(
            node="clean",
            stage="clean",
            settings=settings(GROUPS).model_dump(),
            inputs={"documents": InputSpec(files=records, folder="")},
            date="2026-01-01",
            code="",
            store=str(store.root),
            folder=folder,
            threads=1,
            workers=workers,
            reuse_parts=False,
        )
        result = build(spec, STAGE, tell=lambda event: None, stop=threading.Event())
    if result.error is not None:
        raise SystemExit(str(result.error))
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    answer.put(max(peaks) / 1024)


def measured(root: Path, tables: list[pl.DataFrame], workers: int) -> tuple[float, float, float]:
    """Builds in a process of its own; returns wall seconds, CPU seconds and the peak of one process in MiB."""
    store = Store.open(root / f"store-{time.monotonic_ns()}")
    records = []
    for number, table in enumerate(tables):
        path = root / f"part-{number:05}.parquet"
        rows = write_table(path, table.to_arrow(), COLLECTED)
        digest, size = store.objects.take(path)
        records.append(FileRecord(name=path.name, digest=digest, size=size, rows=rows))
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_in_child, args=(str(store.root), records, workers, answer))
    wall, cpu = time.monotonic(), cpu_seconds()
    process.start()
    peak = answer.get()
    process.join()
    return time.monotonic() - wall, cpu_seconds() - cpu, peak


def _in_child(root: str, records: list[FileRecord], workers: int, answer: multiprocessing.Queue[float]) -> None:
    _build(Store.open(Path(root)), records, workers, answer)


def parts(corpus: Path, share: float) -> list[pl.DataFrame]:
    """Returns the corpus, or a share of it, in tables of about `PART_BYTES` of text."""
    found = []
    for name, table in files(corpus).items():
        rows = collected(table.sample(fraction=share, seed=3), name)
        number = rows["text"].str.len_bytes().cast(pl.Int64).cum_sum() // PART_BYTES
        found += [part.drop("part") for part in rows.with_columns(part=number).partition_by("part")]
    return found


def definitions(corpus: Path, rows: int | None) -> None:
    """Counts documents and rules in which columns and plain definitions differ."""
    config = settings(GROUPS).quality
    documents = differences = rules = 0
    for name, table in files(corpus, rows).items():
        rows_of_file = plain(table, name).filter(pl.col("text") != "")
        language = judge(rows_of_file, settings(()))["language"]
        for spoken in ("en", "zh"):
            thresholds = getattr(config, spoken)
            texts = rows_of_file["text"].filter(language == spoken).str.head(2_000_000)
            if not len(texts):
                continue
            frame = pl.concat(
                [measures(texts, language.filter(language == spoken), config), page_marks(texts)], how="horizontal"
            )
            found = [pair for pair in failing(thresholds) if pair[0].startswith(("gopher", "c4", "fineweb"))]
            verdicts = frame.select(fails.alias(str(place)) for place, (_, fails) in enumerate(found))
            for text, row in zip(texts, verdicts.iter_rows(), strict=True):
                ours = [reason for (reason, _), failed in zip(found, row, strict=True) if failed]
                documents += 1
                rules += len(found)
                differences += ours != reference.published_failures(text, spoken, thresholds)
        print(
            f"  {name:<14} so far {documents} documents, {rules} decisions, {differences} documents differ", flush=True
        )


def main() -> None:
    """Prints what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("what", nargs="*", default=["hostile", "cores", "memory", "definitions"])
    parser.add_argument("--rows", type=int, help="documents of each file for `definitions`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if "hostile" in arguments.what:
            print("hostile texts of", ", ".join(f"{size // 1000} kB" for size in SIZES))
            hostile()
        if "cores" in arguments.what:
            corpus = parts(arguments.corpus, 1.0)
            one, two = measured(root, corpus, 1), measured(root, corpus, 2)
            print(f"one worker: {one[0]:.1f} s, {one[1]:.1f} CPU s; two: {two[0]:.1f} s, {two[1]:.1f} CPU s")
            print(f"  {one[0] / two[0]:.2f} times as fast; by CPU seconds {2 * one[1] / two[1]:.2f}")
        if "memory" in arguments.what:
            small, large = (measured(root, parts(arguments.corpus, share), 1)[2] for share in (0.1, 1.0))
            print(f"peak memory: a tenth {small:.0f} MiB, all {large:.0f} MiB, {large / small:.2f} times")
        if "definitions" in arguments.what:
            definitions(arguments.corpus, arguments.rows)


if __name__ == "__main__":
    main()
