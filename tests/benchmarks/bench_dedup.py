"""Deduplication beside other libraries: CPU seconds as the system counts them, memory, recall and precision.

    python tests/benchmarks/bench_dedup.py FOLDER [--documents 55000] [--planted 5000] [--rounds 3] [--json FILE]

FOLDER holds Parquet files with the columns `content`, `lang` and `path`, among them `poetry.parquet`. Every side reads
Parquet and writes survivors, each in a process of its own whose imports and compiled code are loaded before the clock
starts; the sides take turns, and the median counts. Peers run in .venv-peers (`make .venv-peers/ready`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from dedup_corpus import PART_ROWS, Pairs, documents, poems, row, similarity, write_parts

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEERS = ROOT / ".venv-peers/bin/python"
THRESHOLD = 0.8
NAMES = ("datasketch", "datasketch-verified", "rensa")


@dataclass(frozen=True)
class Measured:
    """What a process used, imports apart, and what it printed."""

    cpu_s: float
    peak_mib: float
    printed: dict[str, Any]


def measured(command: list[str]) -> Measured:
    """Runs a process; what its own processes used counts as well."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"failed: {' '.join(command)}")
        output.seek(0)
        printed = json.loads(output.read().splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime - printed["imports_cpu_s"]
    return Measured(cpu, printed["peak_mib"], printed)


class Bench:
    """Corpora in a scratch folder and the processes over them."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        words = "words to begin with, so that what is compiled is loaded before the clock starts"
        write_parts(
            scratch / "warm", [row(str(number), f"{words} {number % 3}", "en") for number in range(PART_ROWS + 9)]
        )

    def ours(self, name: str, *options: str, keep: bool = False) -> Measured:
        store = self.scratch / "store"
        if not keep:
            shutil.rmtree(store, ignore_errors=True)
        command = [sys.executable, str(HERE / "dedup_ours.py"), str(store), str(self.scratch / name)]
        found = measured([*command, "--warm", str(self.scratch / "warm"), *options])
        return Measured(found.printed["cpu_s"], found.peak_mib, found.printed)

    def peer(self, peer: str, language: str, *options: str) -> Measured:
        command = [str(PEERS), str(HERE / "dedup_peers.py"), peer, language, str(self.scratch / language)]
        return measured([*command, str(self.scratch / f"out-{peer}"), *options])


def together(printed: dict[str, Any], left: str, right: str, ids: dict[str, str]) -> bool:
    clusters = printed["clusters"]

    def cluster(path: str) -> str:
        found = clusters.get(path, ids[path])
        return str(found[0] if isinstance(found, list) else found)

    return cluster(left) == cluster(right)


def recall(printed: dict[str, Any], pairs: Pairs, ids: dict[str, str]) -> float:
    true = [pair for pair in pairs if pair[2] >= THRESHOLD]
    return sum(together(printed, left, right, ids) for left, right, _ in true) / max(1, len(true))


def language_table(bench: Bench, language: str, arguments: argparse.Namespace) -> dict[str, Any]:
    rows, pairs = documents(arguments.folder, language, arguments.documents, arguments.planted)
    write_parts(bench.scratch / language, rows)
    ids, texts = {one["path"]: one["id"] for one in rows}, {one["path"]: one["text"] for one in rows}
    true = sorted(pair[2] for pair in pairs if pair[2] >= THRESHOLD)
    runs: dict[str, list[Measured]] = {"ours": [], **{name: [] for name in NAMES}}
    for _ in range(arguments.rounds):
        runs["ours"].append(bench.ours(language))
        for name in NAMES:
            runs[name].append(bench.peer(name, language))
    sides = {}
    for name, found in runs.items():
        cpu = statistics.median(one.cpu_s for one in found)
        sides[name] = {
            "cpu_s": cpu,
            "documents_per_cpu_s": len(rows) / cpu,
            "peak_mib": max(one.peak_mib for one in found),
            "recall": recall(found[0].printed, pairs, ids if name == "ours" else {path: path for path in ids}),
        }
    ours = runs["ours"][0].printed
    by_id = {one["id"]: one["path"] for one in rows}
    near = [(path, found) for path, found in ours["clusters"].items() if found[1] == "near"][: arguments.checked]
    right = sum(
        found[2] >= THRESHOLD and abs(similarity(texts[path], texts[by_id[found[3]]], language) - found[2]) < 1e-9
        for path, found in near
        if found[2] < 1
    )
    checked = sum(found[2] < 1 for _, found in near)
    sample = min(arguments.datatrove, len(rows))
    datatrove = bench.peer("datatrove", language, str(sample)) if sample else None
    if datatrove is not None:
        sides["datatrove"] = {
            "cpu_s": datatrove.cpu_s,
            "documents_per_cpu_s": sample / datatrove.cpu_s,
            "peak_mib": datatrove.peak_mib,
            "sample": sample,
        }
    quartiles = [true[round(place * (len(true) - 1) / 4)] for place in range(5)] if true else []
    return {
        "documents": len(rows),
        "mb": sum(len(text.encode()) for text in texts.values()) / 1e6,
        "planted": len(true),
        "planted_similarity_quartiles": quartiles,
        "sides": sides,
        "precision": right / max(1, checked),
        "checked": checked,
        "metrics": {name: value for name, value in ours["metrics"].items() if name not in ("sources", "parts")},
    }


def poems_table(bench: Bench, folder: Path) -> dict[str, Any]:
    rows, pairs = poems(folder)
    write_parts(bench.scratch / "poems", rows)
    found = bench.ours("poems")
    ids = {one["path"]: one["id"] for one in rows}
    similar = [pair for pair in pairs if pair[2] >= THRESHOLD]
    return {
        "poems": len(rows),
        "pairs": len(pairs),
        "found": sum(together(found.printed, left, right, ids) for left, right, _ in pairs),
        "pairs_at_threshold": len(similar),
        "found_at_threshold": sum(together(found.printed, left, right, ids) for left, right, _ in similar),
        "cpu_s": found.cpu_s,
    }


def own_table(bench: Bench, language: str) -> dict[str, Any]:
    """A night of 2 % against the full run, memory of ten times the documents, two processes against one."""
    folder = bench.scratch / language
    frame = pl.read_parquet(folder / "*.parquet").to_dicts()
    cut = len(frame) * 98 // 100
    write_parts(bench.scratch / "before", frame[:cut])
    shutil.copytree(bench.scratch / "before", bench.scratch / "night")
    write_parts(bench.scratch / "new", [one | {"first_seen": "2026-02-01"} for one in frame[cut:]])
    for path in (bench.scratch / "new").iterdir():
        shutil.copy(path, bench.scratch / "night" / f"z-{path.name}")
    state = bench.scratch / "state.json"
    full = bench.ours("night")
    bench.ours("before", "--state", str(state))
    night = bench.ours("night", "--state", str(state), keep=True)
    write_parts(bench.scratch / "tenth", frame[: len(frame) // 10])
    tenth = bench.ours("tenth")
    one, two = (min(bench.ours("night", "--sign", workers).printed["wall_s"] for _ in range(2)) for workers in "12")
    return {
        "full_cpu_s": full.cpu_s,
        "night_cpu_s": night.cpu_s,
        "night_share": night.cpu_s / full.cpu_s,
        "night_metrics": {name: night.printed["metrics"][name] for name in ("fresh", "shingled", "compared")},
        "full_metrics": {name: full.printed["metrics"][name] for name in ("fresh", "shingled", "compared")},
        "peak_mib_of_a_tenth": tenth.peak_mib,
        "peak_mib": full.peak_mib,
        "memory_ratio": full.peak_mib / tenth.peak_mib,
        "signatures_two_over_one": one / two,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=55_000, help="of each language, at most")
    parser.add_argument("--planted", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checked", type=int, default=500, help="near-duplicates whose similarity is computed anew")
    parser.add_argument("--datatrove", type=int, default=1_500, help="documents for datatrove, which is slow")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        tables: dict[str, Any] = {}
        for language in ("en", "zh"):
            tables[language] = table = language_table(bench, language, arguments)
            print(f"\n{language}: {table['documents']:,} documents, {table['mb']:.0f} MB")
            print(f"{'':24}{'CPU s':>9}{'documents/s':>13}{'times':>8}{'MiB':>8}{'recall':>8}")
            best = table["sides"]["ours"]["documents_per_cpu_s"]
            for side, found in table["sides"].items():
                speed = found["documents_per_cpu_s"]
                print(
                    f"{side:24}{found['cpu_s']:9.2f}{speed:13,.0f}{best / speed:8.1f}{found['peak_mib']:8.0f}"
                    f"{found.get('recall', float('nan')):8.4f}"
                )
            print(
                f"precision {table['precision']:.4f} of {table['checked']}; {table['planted']} planted pairs, quartiles"
            )
            print(" ".join(f"{value:.3f}" for value in table["planted_similarity_quartiles"]), table["metrics"])
        tables["own"] = own_table(bench, "en")
        tables["poems"] = poems_table(bench, arguments.folder)
        for part in ("own", "poems"):
            print(f"\n{part}: {json.dumps(tables[part])}")
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
