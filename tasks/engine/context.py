"""The `Context` that a stage's `build` is given in its own process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from schemas.errors import StageFailed
from schemas.manifest import FileRecord
from tasks.engine import ranks
from tasks.engine.inputs import StoredInput, StoredInputFile, file_record
from tasks.engine.parts import map_parts
from tasks.engine.spec import BuildResult, BuildSpec
from tasks.engine.stage import Part, PartFunction, PartResult, Stage, StoredFile
from tasks.engine.workers import Workers
from tasks.store.store import Store

PROGRESS_EVERY_S = 0.1

Tell = Callable[[dict[str, Any]], None]
"""Takes an event to the supervisor: {"progress": …}, {"warning": …} or {"resumed": …}."""


def scratch_name() -> str:
    """Returns the name of this process's scratch folder."""
    return f"scratch-{ranks.rank()}" if ranks.rank() else "scratch"


class BuildContext:
    """Implements `tasks.engine.stage.Context` over a store; `result` is what the build has left so far."""

    def __init__(
        self, spec: BuildSpec, stage: Stage, store: Store, *, tell: Tell, stopping: Callable[[], bool]
    ) -> None:
        self.config: Any = stage.config.model_validate(spec.settings)
        self.inputs: Mapping[str, StoredInput] = {
            name: StoredInput(found, store) for name, found in spec.inputs.items()
        }
        self.predecessor: Mapping[str, StoredInput] | None = (
            None
            if spec.predecessor is None
            else {name: StoredInput(found, store) for name, found in spec.predecessor.items()}
        )
        self.earlier: Mapping[str, StoredInput] | None = (
            None if spec.earlier is None else {name: StoredInput(found, store) for name, found in spec.earlier.items()}
        )
        self.look = spec.look
        self.date = spec.date
        self.threads = max(1, spec.threads // ranks.size())
        self.folder = Path(spec.folder) / scratch_name()
        self.checkpoints = Path(spec.folder) / "checkpoints"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.result = BuildResult(outputs={name: [] for name in stage.outputs})
        self._spec = spec
        self._store = store
        self._tell = tell
        self._stopping = stopping
        self._told_at = 0.0
        self._calls = 0
        self._workers = Workers(spec.workers)

    def __enter__(self) -> BuildContext:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._workers.close()
        else:
            self._workers.abandon()

    def map_parts(self, function: PartFunction, parts: Sequence[Part]) -> list[PartResult]:
        self._calls += 1
        results = map_parts(
            function,
            parts,
            store=self._store,
            code=self._spec.code,
            folder=self.folder / f"map-{self._calls}",
            workers=self._workers,
            reuse=self._spec.reuse_parts,
            stopping=self._stopping,
            done=lambda done, total: self.progress(done, total, "parts"),
        )
        counts = self.result.metrics.setdefault("parts", {"total": 0, "reused": 0})
        counts["total"] += len(results)
        counts["reused"] += sum(result.reused for result in results)
        return results

    def keep(self, file: Path) -> StoredFile:
        digest, size = self._store.objects.take(file)
        return StoredFile(file.name, digest, size)

    def stored_file(self, file: StoredFile) -> StoredInputFile:
        return StoredInputFile(file, str(self._store.root))

    def path(self, file: StoredFile) -> Path:
        return self._store.verified_path(file_record(file))

    def add(self, output: str, name: str, file: Path | StoredFile, *, rows: int | None = None) -> None:
        if output not in self.result.outputs:
            raise ValueError(f"{self._spec.stage} has no output named {output!r}")
        if any(known.name == name for known in self.result.outputs[output]):
            raise ValueError(f"{self._spec.stage}.{output} has a file {name!r} already")
        self.result.outputs[output].append(self._taken(name, file, rows))

    def add_folder(self, output: str, folder: Path) -> None:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.add(output, path.relative_to(folder).as_posix(), path)

    def add_diagnostic(self, name: str, file: Path | StoredFile) -> None:
        self.result.diagnostics.append(self._taken(name, file, None))

    def report(self, **figures: Any) -> None:
        self.result.metrics.update(figures)

    def lead(self) -> None:
        if ranks.rank():
            raise ranks.PartDone

    def warn(self, message: str) -> None:
        self.result.warnings.append(message)
        self._tell({"warning": message})

    def progress(self, done: float, total: float, unit: str, **figures: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S or done >= total:
            self._told_at = now
            self._tell({"progress": {"done": done, "total": total, "unit": unit, "figures": figures}})

    def resumed(self, what: str) -> None:
        self.result.resumed = what
        self._tell({"resumed": what})

    def stopping(self) -> bool:
        return self._stopping()

    def _taken(self, name: str, file: Path | StoredFile, rows: int | None) -> FileRecord:
        if name.startswith("/") or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is no name inside an output")
        if isinstance(file, Path):
            if not file.is_file():
                raise StageFailed(f"the stage did not write {name}", where=self._spec.node)
            if rows is None and file.suffix == ".parquet":
                import pyarrow.parquet as pq

                rows = int(pq.read_metadata(file).num_rows)
            digest, size = self._store.objects.take(file)
            return FileRecord(name=name, digest=digest, size=size, rows=rows)
        return FileRecord(name=name, digest=file.digest, size=file.size, rows=file.rows if rows is None else rows)
