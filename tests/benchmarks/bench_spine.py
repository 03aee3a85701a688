"""What the spine costs: `make bench`, or `python tests/benchmarks/bench_spine.py [--artifacts 10000]`.

Measures, on this machine and each beside what it is compared with:
- the commands that only look, and a run with nothing to do, on the quickstart's store (built by `make run`);
- how much of the quickstart's latest full run lay outside its stages and Prefect's start (goal: 3 %);
- the peak memory of each of its stages;
- how long a run takes to end after Ctrl-C (goal: 5 s);
- `plan` on a miniature pipeline whose store holds many artifacts (goal: 2 s at 10,000).
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from mini import DATE, Mini  # noqa: E402

from flows.lookup import runs  # noqa: E402
from flows.session import manifests_of  # noqa: E402
from schemas.manifest import FileRecord, Manifest  # noqa: E402
from tasks.store.store import Store, new_version, output_record  # noqa: E402

QUICKSTART = "deployments/quickstart/pipeline.yaml"
STORE = ROOT / ".nightmill" / "store"


def timed(arguments: list[str], folder: Path, repeats: int = 5) -> tuple[float, float, float]:
    """Wall seconds of a command in a process of its own: minimum, median, maximum."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "flows.command", *arguments], cwd=folder, capture_output=True, check=False
        )
        seconds.append(time.perf_counter() - started)
    return min(seconds), statistics.median(seconds), max(seconds)


def show(name: str, figures: tuple[float, float, float]) -> None:
    print(f"{name:<44} {figures[0]:6.2f} {figures[1]:6.2f} {figures[2]:6.2f} s (min, median, max)")


def commands() -> None:
    """Start-up of the commands, beside that of an interpreter that does nothing."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        seconds.append(time.perf_counter() - started)
    show("python -c pass", (min(seconds), statistics.median(seconds), max(seconds)))
    store = ["--store", str(STORE)]
    show("nightmill version", timed(["version"], ROOT))
    show("nightmill plan (quickstart)", timed(["plan", QUICKSTART], ROOT))
    show("nightmill why pretrain", timed(["why", QUICKSTART, "pretrain"], ROOT))
    show("nightmill ls", timed(["ls", *store], ROOT))
    show("nightmill show pretrain", timed(["show", "pretrain", *store], ROOT))
    show("nightmill run, everything cached", timed(["run", QUICKSTART], ROOT))


def stopping() -> None:
    """From Ctrl-C to the end of the process, in the middle of training (goal: 5 s), with and without Prefect."""
    with tempfile.TemporaryDirectory() as folder:
        mini = Mini(Path(folder) / "mini").create()
        mini.change(pretrain__steps=100_000)
        mini.run("--until", "pack")
        for name, arguments in (("without Prefect", ["--no-prefect"]), ("with Prefect", [])):
            process = mini.start("run", "pipeline.yaml", "--date", DATE, *arguments)
            while not any((mini.store / "work").glob("*/*/checkpoints/step-*")):
                time.sleep(0.1)
            time.sleep(1)
            started = time.perf_counter()
            process.send_signal(signal.SIGINT)
            process.communicate()
            seconds = time.perf_counter() - started
            print(f"Ctrl-C in training, {name:<24} {seconds:6.2f} s, exit code {process.returncode}")
            shutil.rmtree(mini.store / "work")


def overhead() -> None:
    """The latest full run: wall time, the part of it that some stage was being built, and the rest."""
    store = Store.open(STORE)
    full = [
        run for run in runs(store) if run.outcome == "done" and all(stage.outcome == "built" for stage in run.stages)
    ]
    if not full:
        print("no full run in the store: rm -r .nightmill/store; make run")
        return
    run = full[-1]
    began, ended = datetime.fromisoformat(run.started), datetime.fromisoformat(run.finished)
    spans = sorted(
        (datetime.fromisoformat(manifest.started).timestamp(), manifest.seconds, node)
        for node, manifest in manifests_of(store, run).items()
    )
    busy, reached = 0.0, 0.0
    for start, seconds, _ in spans:
        busy += max(0.0, start + seconds - max(start, reached))
        reached = max(reached, start + seconds)
    wall = (ended - began).total_seconds()
    server = spans[0][0] - began.timestamp()
    rest = wall - server - busy
    print(f"\nrun {run.run}: {wall:.1f} s, of it {server:.1f} s before the first stage (Prefect's server),")
    print(f"  {busy:.1f} s inside stages, {rest:.1f} s between and after them: {100 * rest / wall:.1f} % (goal 3 %)")
    print(f"\n{'stage':<22} {'seconds':>8} {'CPU s':>8} {'peak MiB':>9}")
    for stage in run.stages:
        print(f"{stage.node:<22} {stage.seconds:8.1f} {stage.cpu_seconds:8.1f} {stage.peak_memory_bytes / 2**20:9.0f}")


def many_artifacts(count: int) -> None:
    """`plan` on a store that holds many other artifacts."""
    with tempfile.TemporaryDirectory() as folder:
        mini = Mini(Path(folder) / "mini").create()
        mini.run("--until", "collect")
        arguments = ["plan", "pipeline.yaml", "--date", DATE]
        print()
        show("plan, 2 artifacts in the store", timed(arguments, mini.folder))
        store = Store.open(mini.store)
        file = Path(folder) / "file"
        for number in range(count):
            file.unlink(missing_ok=True)
            file.write_text(str(number))
            digest, size = store.objects.take(file)
            key = f"{number:064x}"
            store.publish(
                Manifest(
                    node="clean",
                    stage="clean",
                    version=new_version(key),
                    key=key,
                    settings={},
                    stage_version=1,
                    code="",
                    inputs=[],
                    outputs={"documents": output_record([FileRecord(name="file", digest=digest, size=size)])},
                    started="",
                    seconds=0,
                    cpu_seconds=0,
                    peak_memory_bytes=0,
                )
            )
        show(f"plan, {count + 2:,} artifacts in the store", timed(arguments, mini.folder))
        show(f"ls, {count + 2:,} artifacts", timed(["ls", "--store", "store"], mini.folder, repeats=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=int, default=10_000)
    arguments = parser.parse_args()
    commands()
    stopping()
    overhead()
    many_artifacts(arguments.artifacts)


if __name__ == "__main__":
    main()
