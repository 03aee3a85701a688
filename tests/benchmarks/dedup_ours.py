"""The stage `dedup` over a folder of parts, as a process of its own: `python dedup_ours.py STORE FOLDER [OPTIONS]`.

Prints {"imports_cpu_s": …, "metrics": …, "clusters": {path: cluster}, "wall_s": …}; kernels are loaded before the clock
starts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from schemas.manifest import FileRecord
from schemas.tables import DUPLICATES
from tasks.dedup import signatures
from tasks.dedup.stage import STAGE
from tasks.engine.child import build
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.store.store import Store
from tasks.tables.parquet import read_table


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def deduplicate(
    store: Store, parts: list[Path], workers: int = 1, earlier: BuildResult | None = None
) -> BuildResult:
    """Builds the stage once."""
    records = []
    for path in parts:
        with tempfile.TemporaryDirectory(dir=store.root) as name:
            copy = Path(shutil.copy(path, name))
            digest, size = store.objects.take(copy)
        records.append(FileRecord(name=path.name, digest=digest, size=size))
    known: dict[str, Any] | None = None
    if earlier is not None:
        known = {name: InputSpec(files=files, folder="") for name, files in earlier.outputs.items()}
        known["diagnostics"] = InputSpec(files=earlier.diagnostics, folder="")
    spec = BuildSpec(
        node="dedup",
        stage="dedup",
        settings=STAGE.config().model_dump(mode="json"),
        inputs={"documents": InputSpec(files=records, folder="")},
        earlier=known,
        date="2026-01-01",
        code="",
        store=str(store.root),
        folder=str(store.root / "work"),
        threads=1,
        workers=workers,
    )
    result = build(spec, STAGE, tell=lambda event: None, stop=threading.Event())
    if result.error is not None:
        raise SystemExit(str(result.error))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", type=int, default=None, help="only so many parts")
    parser.add_argument("--warm", type=Path, default=None, help="a folder of parts to load the kernels with")
    parser.add_argument("--state", type=Path, default=None, help="the earlier build to go on from, or where to leave it")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    parts = sorted(arguments.folder.glob("*.parquet"))[: arguments.until]
    if arguments.warm is not None:
        with tempfile.TemporaryDirectory() as name:
            deduplicate(Store.open(Path(name)), sorted(arguments.warm.glob("*.parquet")))
    store = Store.open(arguments.store)
    state = arguments.state
    earlier = BuildResult.model_validate_json(state.read_bytes()) if state is not None and state.exists() else None
    assert signatures.FILES
    imports, started = cpu_seconds(), time.monotonic()
    result = deduplicate(store, parts, arguments.workers, earlier)
    wall = time.monotonic() - started
    used = cpu_seconds() - imports
    if state is not None:
        state.write_text(result.model_dump_json())
    gone = read_table([store.objects.path(file.digest) for file in result.outputs["duplicates"]], DUPLICATES).to_pylist()
    found = {row["path"]: [row["cluster"], row["kind"], row["via_jaccard"]] for row in gone}
    print(
        json.dumps(
            {"imports_cpu_s": imports, "cpu_s": used, "wall_s": wall, "metrics": result.metrics, "clusters": found}
        )
    )


if __name__ == "__main__":
    main()
