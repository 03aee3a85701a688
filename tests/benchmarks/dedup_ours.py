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

from schemas.config.dedup import DedupConfig
from schemas.manifest import FileRecord
from schemas.tables import DUPLICATES
from tasks.dedup.signatures import sign_part, signing
from tasks.dedup.stage import STAGE
from tasks.engine.child import build
from tasks.engine.host import high_water_mark
from tasks.engine.inputs import StoredInput
from tasks.engine.parts import map_parts
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.engine.stage import Part
from tasks.engine.workers import Workers
from tasks.store.store import Store
from tasks.tables.parquet import read_table

REPEATS = 20
"""Of the signatures, so that the start of a second process weighs less."""


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def stored(store: Store, parts: list[Path]) -> list[FileRecord]:
    """Puts copies of files into a store."""
    records = []
    for path in parts:
        with tempfile.TemporaryDirectory(dir=store.root) as name:
            digest, size = store.objects.take(Path(shutil.copy(path, name)))
        records.append(FileRecord(name=path.name, digest=digest, size=size))
    return records


def deduplicate(store: Store, records: list[FileRecord], earlier: BuildResult | None = None) -> BuildResult:
    """Builds the stage once."""
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
        workers=1,
    )
    result = build(spec, STAGE, tell=lambda event: None, stop=threading.Event())
    if result.error is not None:
        raise SystemExit(str(result.error))
    return result


def sign(store: Store, records: list[FileRecord], workers: int) -> float:
    """Makes all signatures by so many processes; returns seconds by the clock, the start of the processes included."""
    parameters = signing(DedupConfig())
    files = StoredInput(InputSpec(files=records, folder=""), store).files
    parts = [Part(f"{again}-{file.stored.name}", (file,), parameters) for again in range(REPEATS) for file in files]
    with tempfile.TemporaryDirectory(dir=store.root) as folder:
        started = time.monotonic()
        pool = Workers(workers)
        map_parts(
            sign_part,
            parts,
            store=store,
            code="",
            folder=Path(folder),
            workers=pool,
            reuse=False,
            stopping=lambda: False,
            done=lambda done, total: None,
        )
        pool.close()
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--warm", type=Path, default=None, help="a folder of parts to load the kernels with")
    parser.add_argument("--state", type=Path, default=None, help="the earlier build, or where to leave it")
    parser.add_argument("--sign", type=int, default=0, help="only the signatures, by so many processes")
    arguments = parser.parse_args()
    parts = sorted(arguments.folder.glob("*.parquet"))
    if arguments.warm is not None:
        with tempfile.TemporaryDirectory() as name:
            warm = Store.open(Path(name))
            records = stored(warm, sorted(arguments.warm.glob("*.parquet")))
            deduplicate(warm, records, deduplicate(warm, records[:-1]))
    store = Store.open(arguments.store)
    state = arguments.state
    earlier = BuildResult.model_validate_json(state.read_bytes()) if state is not None and state.exists() else None
    records = stored(store, parts)
    if arguments.sign:
        wall = sign(store, records, arguments.sign)
        print(json.dumps({"imports_cpu_s": 0.0, "cpu_s": 0.0, "wall_s": wall, "peak_mib": 0.0}))
        return
    imports, started = cpu_seconds(), time.monotonic()
    result = deduplicate(store, records, earlier)
    wall = time.monotonic() - started
    used = cpu_seconds() - imports
    if state is not None:
        state.write_text(result.model_dump_json())
    tables = [store.objects.path(file.digest) for file in result.outputs["duplicates"]]
    gone = read_table(tables, DUPLICATES).to_pylist()
    found = {row["path"]: [row["cluster"], row["kind"], row["via_jaccard"], row["via"]] for row in gone}
    print(
        json.dumps(
            {
                "imports_cpu_s": imports,
                "cpu_s": used,
                "wall_s": wall,
                "peak_mib": high_water_mark() / 2**20,
                "metrics": result.metrics,
                "clusters": found,
            }
        )
    )


if __name__ == "__main__":
    main()
