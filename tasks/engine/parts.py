"""Work over parts: each finished part is stored under its own key at once, by the process that made it.

So resuming after a kill and refreshing with a few new documents are the same thing: what is there is reused, the rest
is computed. A part's key covers the stage's code, the function's name, the part's files by digest and its parameters;
where parts run, and how many at a time, is not part of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.manifest import FileRecord
from tasks.engine.inputs import opened
from tasks.engine.stage import Part, PartFunction, PartResult, StoredFile
from tasks.engine.workers import Workers
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
    waiting: list[PartTask] = []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, part in enumerate(parts):
        key = part_key(function, part, code)
        found = _stored(store, part.name, key) if reuse else None
        if found is not None:
            results[part.name] = found
        else:
            waiting.append(PartTask(function, part, key, folder / str(number), str(store.root)))
    done(len(results), len(parts))

    def keep(result: PartResult) -> None:
        results[result.name] = result
        done(len(results), len(parts))

    # The largest first: so that at the end no process works on a large part while the others have nothing to do.
    workers.do(sorted(waiting, key=lambda task: -task.weight), stopping, keep)
    shutil.rmtree(folder, ignore_errors=True)
    return [results[part.name] for part in parts]


@dataclass(frozen=True, slots=True)
class PartTask:
    """A part that is to be computed, by whichever process comes first.

    Attributes:
        function: What computes it.
        part: Of what.
        key: Under which it is kept.
        folder: Its own, made by who claims it.
        store_root: Where the store lies.
    """

    function: PartFunction
    part: Part
    key: str
    folder: Path
    store_root: str

    @property
    def weight(self) -> int:
        return max(1, self.part.bytes_elsewhere + sum(file.stored.size for file in self.part.files))

    def claim(self) -> bool:
        try:
            self.folder.mkdir()
        except FileExistsError:
            return False
        return True

    def do(self) -> PartResult:
        """Computes the part and keeps it. The folder stays, empty, to say that this was done."""
        place = self.folder / "files"
        place.mkdir()
        figures = self.function(self.part, place)
        result = _keep(opened(self.store_root), self.part.name, self.key, place, figures)
        shutil.rmtree(place, ignore_errors=True)
        return result


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
