"""Work over parts: each finished part is stored under its own key at once.

So resuming after a kill and refreshing with a few new documents are the same thing: what is there is reused, the rest
is computed. A part's key covers the stage's code, the function's name, the part's files by digest and its parameters;
where parts run, and how many at a time, is not part of it.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from schemas.errors import Interrupted, StageKilled
from schemas.manifest import FileRecord
from tasks.engine.stage import Part, PartFunction, PartResult, StoredFile
from tasks.store.canonical import canonical_json, digest_json, digest_key
from tasks.store.store import Store

PART_FORMAT = 1


def part_key(function: PartFunction, part: Part, code: str) -> str:
    """Returns the digest of everything that decides a part's result."""
    return digest_key(
        {
            "format": PART_FORMAT,
            "function": f"{function.__module__}.{function.__qualname__}",
            "code": code,
            "files": [[file.stored.name, file.stored.digest] for file in part.files],
            "parameters": dict(part.parameters),
        }
    )


def map_parts(
    function: PartFunction,
    parts: Sequence[Part],
    *,
    store: Store,
    code: str,
    folder: Path,
    workers: int,
    reuse: bool = True,
    stopping: Callable[[], bool],
    done: Callable[[int, int], None],
) -> list[PartResult]:
    """Runs a function over parts and returns their results in order; see `Context.map_parts`.

    Args:
        function: Module-level function.
        parts: What to run it over; names must be unique.
        store: Where finished parts are kept.
        code: Fingerprint of the stage's code.
        folder: Empty folder to work in.
        workers: Processes at a time; 1 works in this one.
        reuse: Whether parts that are stored already count as finished.
        stopping: True once the run is to stop.
        done: Told how many parts are finished, of how many.

    Raises:
        Interrupted: The run is to stop; what is finished is kept.
        StageKilled: A process of the pool was killed; what is finished is kept.
        ValueError: Two parts have the same name.
    """
    if len({part.name for part in parts}) != len(parts):
        raise ValueError(f"{function.__qualname__}: part names must be unique")
    results: dict[str, PartResult] = {}
    waiting: list[tuple[Part, str]] = []
    for part in parts:
        key = part_key(function, part, code)
        found = _stored(store, part.name, key) if reuse else None
        if found is not None:
            results[part.name] = found
        else:
            waiting.append((part, key))
    done(len(results), len(parts))

    def keep(part: Part, key: str, place: Path, figures: Mapping[str, Any]) -> None:
        results[part.name] = _keep(store, part.name, key, place, figures)
        shutil.rmtree(place, ignore_errors=True)
        done(len(results), len(parts))

    if workers <= 1 or len(waiting) <= 1:
        for number, (part, key) in enumerate(waiting):
            if stopping():
                raise Interrupted("stopped between two parts")
            place = _fresh(folder / f"part-{number}")
            keep(part, key, place, function(part, place))
    else:
        _in_pool(function, waiting, folder, min(workers, len(waiting)), stopping, keep)
    return [results[part.name] for part in parts]


def _in_pool(
    function: PartFunction,
    waiting: Sequence[tuple[Part, str]],
    folder: Path,
    workers: int,
    stopping: Callable[[], bool],
    keep: Callable[[Part, str, Path, Mapping[str, Any]], None],
) -> None:
    # Spawned, not forked: a fork of a process with threads (Arrow, Polars) can lock up.
    context = multiprocessing.get_context("spawn")
    upcoming = iter(enumerate(waiting))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[Mapping[str, Any]], tuple[Part, str, Path]] = {}
        try:
            while True:
                # Few at a time: to wait for many futures takes time with the square of their number.
                for number, (part, key) in itertools.islice(upcoming, 2 * workers - len(running)):
                    place = _fresh(folder / f"part-{number}")
                    running[pool.submit(function, part, place)] = (part, key, place)
                if not running:
                    return
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    part, key, place = running.pop(future)
                    keep(part, key, place, future.result())
                if stopping():
                    raise Interrupted("stopped between two parts")
        except BrokenProcessPool:
            pool.shutdown(wait=False, cancel_futures=True)
            raise StageKilled(
                "a process that worked on its parts was killed, most likely because the machine ran out of memory",
                hint="give it more memory, or lower `execution.workers` or the part size; finished parts are kept",
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        # Left in peace, the pool is waited for: only the CPU time of processes that were reaped is counted.


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _stored(store: Store, name: str, key: str) -> PartResult | None:
    record = store.records.get(f"parts/{key[:2]}/{key}")
    if record is None:
        return None
    try:
        data = json.loads(record.data)
        files = [FileRecord.model_validate(file) for file in data["files"]]
        whole = (
            data["format"] == PART_FORMAT
            and data["check"] == digest_json([data["files"], data["figures"]])
            and all(store.objects.size(file.digest) == file.size for file in files)
        )
    except (ValueError, KeyError, TypeError):
        return None
    return _result(name, files, data["figures"], reused=True) if whole else None


def _keep(store: Store, name: str, key: str, folder: Path, figures: Mapping[str, Any]) -> PartResult:
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        rows = _parquet_rows(path)
        digest, size = store.objects.take(path)
        files.append(FileRecord(name=path.relative_to(folder).as_posix(), digest=digest, size=size, rows=rows))
    kept: list[Any] = [[file.model_dump() for file in files], dict(figures)]
    record = canonical_json({"format": PART_FORMAT, "files": kept[0], "figures": kept[1], "check": digest_json(kept)})
    place = f"parts/{key[:2]}/{key}"
    if not store.records.put_if_absent(place, record):
        found = store.records.get(place)
        if found is not None and found.data != record:
            store.records.put_if_match(place, record, found.etag)
    return _result(name, files, figures, reused=False)


def _result(name: str, files: list[FileRecord], figures: Mapping[str, Any], *, reused: bool) -> PartResult:
    stored = {file.name: StoredFile(file.name, file.digest, file.size, file.rows) for file in files}
    return PartResult(name, stored, figures, reused)


def _parquet_rows(path: Path) -> int | None:
    if path.suffix != ".parquet":
        return None
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
