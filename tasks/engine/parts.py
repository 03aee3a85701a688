"""Work over parts: each finished part is stored under its own key at once.

So resuming after a kill and refreshing with a few new documents are the same thing: what is there is reused, the rest
is computed. A part's key covers the stage's code, the function's name, the part's files by digest and its parameters;
where parts run, and how many at a time, is not part of it.

A build has one pool of processes for all its calls. Each of them takes about a second to start and to import what it
needs, so the pool is started only where the parts done so far say that the rest takes longer.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import shutil
import time
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

WORTH_A_POOL_S = 2.0
"""With less work left than this, starting processes would take longer than they save."""


class Workers:
    """The processes that work over the parts of one build: started when they are needed, kept until it ends.

    Args:
        count: How many at a time; 1 works in this process alone.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    @property
    def started(self) -> bool:
        """Whether there are processes already."""
        return self._pool is not None

    def pool(self) -> ProcessPoolExecutor:
        """Returns the processes."""
        if self._pool is None:
            # Spawned, not forked: a fork of a process with threads (Arrow, Polars) can lock up.
            self._pool = ProcessPoolExecutor(self.count, mp_context=multiprocessing.get_context("spawn"))
        return self._pool

    def close(self) -> None:
        """Ends the processes and waits for them: only the CPU time of processes that were reaped is counted."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def abandon(self) -> None:
        """Leaves the processes to end by themselves, without what they have not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


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
    workers: Workers,
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
        workers: The build's processes.
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

    started = time.monotonic()
    for number, (part, key) in enumerate(waiting):
        left = len(waiting) - number
        if workers.count > 1 and left > 1 and (workers.started or _takes_long(started, number, left)):
            _in_pool(function, waiting[number:], folder / "pool", workers, stopping, keep)
            break
        if stopping():
            raise Interrupted("stopped between two parts")
        place = _fresh(folder / f"part-{number}")
        keep(part, key, place, function(part, place))
    return [results[part.name] for part in parts]


def _takes_long(started: float, done: int, left: int) -> bool:
    return done > 0 and (time.monotonic() - started) / done * left > WORTH_A_POOL_S


def _in_pool(
    function: PartFunction,
    waiting: Sequence[tuple[Part, str]],
    folder: Path,
    workers: Workers,
    stopping: Callable[[], bool],
    keep: Callable[[Part, str, Path, Mapping[str, Any]], None],
) -> None:
    upcoming = iter(enumerate(waiting))
    pool = workers.pool()
    running: dict[Future[Mapping[str, Any]], tuple[Part, str, Path]] = {}
    try:
        while True:
            # Few at a time: to wait for many futures takes time with the square of their number.
            for number, (part, key) in itertools.islice(upcoming, 2 * workers.count - len(running)):
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
        workers.abandon()
        raise StageKilled(
            "a process that worked on its parts was killed, most likely because the machine ran out of memory",
            hint="give it more memory, or lower `execution.workers` or the part size; finished parts are kept",
        ) from None
    except BaseException:
        workers.abandon()
        raise


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
