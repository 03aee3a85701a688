"""Runs `snapshot`, `collect` and `examples` in this process, as the engine would, over folders of real files."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.config.base import Config
from schemas.config.collect import CollectConfig
from schemas.config.snapshot import SnapshotConfig
from schemas.config.source import AnySource, RemoteSource
from schemas.errors import NightmillError
from schemas.tables import COLLECTED, QUARANTINED
from tasks.collect.stage import STAGE as COLLECT
from tasks.engine.child import build
from tasks.engine.sight import StoreSight
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.engine.stage import Look, Stage
from tasks.fetch.record import record_key
from tasks.fetch.take import Looked, take_look
from tasks.snapshot.look import look
from tasks.snapshot.stage import STAGE as SNAPSHOT
from tasks.store.store import Store
from tasks.tables.parquet import read_table


@dataclass
class Built:
    """What a build left."""

    result: BuildResult
    store: Store

    @property
    def metrics(self) -> dict[str, Any]:
        return self.result.metrics

    def paths(self, output: str) -> list[Path]:
        return [self.store.objects.path(file.digest) for file in self.result.outputs[output]]

    def digests(self) -> dict[str, list[tuple[str, str]]]:
        return {name: [(file.name, file.digest) for file in files] for name, files in self.result.outputs.items()}

    def table(self, output: str, schema: pa.Schema) -> list[dict[str, Any]]:
        return read_table(self.paths(output), schema).to_pylist()

    def as_input(self, output: str) -> InputSpec:
        return InputSpec(files=self.result.outputs[output], folder="")

    def as_earlier(self) -> dict[str, InputSpec]:
        found = {output: self.as_input(output) for output in self.result.outputs}
        return found | {"diagnostics": InputSpec(files=self.result.diagnostics, folder="")}


class Bench:
    """A store and the stages that read sources, built one after the other."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "store")
        self._folder = folder
        self._looked: set[str] = set()

    def take_look(self, sources: Mapping[str, AnySource], at: str = "2026-01-01T00:00:00") -> dict[str, Looked]:
        """Looks at the remote sources, in this process."""
        found = {}
        for name, source in sources.items():
            if isinstance(source, RemoteSource):
                self._looked.add(record_key(source))
                now = datetime.fromisoformat(at).replace(tzinfo=UTC)
                found[name] = take_look(name, source, self.store, now=lambda now=now: now)
        return found

    def look(self, sources: Mapping[str, AnySource]) -> Look:
        """What the next plan sees of the sources."""
        return look(SnapshotConfig(sources=sources), StoreSight(self.store, self._looked))

    def refreshed(self, sources: Mapping[str, AnySource], before: Built | None = None, day: int = 1) -> Built:
        """Looks at remote sources and takes a snapshot."""
        date = f"2026-01-{day:02}"
        self.take_look(sources, f"{date}T00:00:00")
        return self.snapshot(sources, before, date)

    def build(
        self,
        stage: Stage,
        config: Config,
        inputs: dict[str, InputSpec] | None = None,
        *,
        predecessor: dict[str, InputSpec] | None = None,
        earlier: Built | None = None,
        date: str = "2026-01-01",
    ) -> Built:
        """Looks and builds; raises what the stage raised."""
        look = stage.look(config, StoreSight(self.store, self._looked)).detail if stage.look else None
        spec = BuildSpec(
            node=stage.name,
            stage=stage.name,
            settings=config.model_dump(mode="json"),
            inputs=inputs or {},
            predecessor=predecessor,
            earlier=None if earlier is None else earlier.as_earlier(),
            look=look,
            date=date,
            code="",
            store=str(self.store.root),
            folder=str(self._folder / "work"),
            threads=1,
            workers=1,
        )
        result = build(spec, stage, tell=lambda event: None, stop=threading.Event())
        if result.error is not None:
            raise NightmillError.from_json(result.error)
        return Built(result, self.store)

    def snapshot(
        self, sources: Mapping[str, AnySource], before: Built | None = None, date: str = "2026-01-01"
    ) -> Built:
        predecessor = None if before is None else {"files": before.as_input("files")}
        return self.build(SNAPSHOT, SnapshotConfig(sources=sources), predecessor=predecessor, date=date)

    def collect(
        self, sources: Mapping[str, AnySource], snapshot: Built | None = None, part_bytes: int = 2**20
    ) -> Built:
        snapshot = snapshot or self.snapshot(sources)
        config = CollectConfig(sources=sources, part_bytes=part_bytes)
        return self.build(COLLECT, config, {"files": snapshot.as_input("files")})


def ledger(built: Built) -> list[dict[str, Any]]:
    """Returns the rows of a snapshot."""
    return [json.loads(line) for line in built.paths("files")[0].read_text(encoding="utf-8").splitlines()]


def documents(built: Built) -> list[dict[str, Any]]:
    """Returns collected documents in locator order."""
    rows = built.table("documents", COLLECTED)
    return sorted(rows, key=lambda row: (row["source"], row["path"], row["offset"]))


def quarantine(built: Built) -> list[tuple[str, int, str]]:
    """Returns (path, line, reason) of what was set aside."""
    rows = built.table("quarantine", QUARANTINED)
    return sorted((row["path"], row["line"], row["reason"]) for row in rows)
