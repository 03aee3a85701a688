"""Looks at several remote sources side by side, each in a process of its own: one that is down holds up no other."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from schemas.config.source import RemoteSource
from schemas.errors import Interrupted, NightmillError, StageFailed
from tasks.engine.launcher import Launcher, ProcessLauncher
from tasks.fetch.record import read_attempt, record_key
from tasks.fetch.take import Looked, look_folder, record_down, store_get
from tasks.store.leases import Lease, acquire
from tasks.store.store import Store

AT_A_TIME = 4
"""Sources at a time."""

CRASH_LOG = "crash.log"
"""What a crashed fetcher said last, until the source is looked at again."""

WORKER = (sys.executable, "-P", "-m", "tasks.fetch.worker")


class Observer(Protocol):
    """Is told how looks go; calls come from several threads."""

    def waiting(self, node: str, holder: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None: ...


def refresh(
    sources: Mapping[str, RemoteSource],
    store: Store,
    observer: Observer,
    *,
    stopping: Callable[[], bool],
    launcher: Launcher | None = None,
) -> dict[str, Looked]:
    """Looks at every source given, and remembers what each holds; see `tasks.fetch.verdict` for what follows from it.

    Raises:
        Interrupted: The run is to stop. What was fetched is kept.
        NightmillError: A source's settings cannot be used, or the store cannot be written; all others were looked at.
    """
    found: dict[str, Looked] = {}
    errors: list[NightmillError] = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        tasks = {
            name: pool.submit(_look_once, name, source, store, observer, stopping, launcher or ProcessLauncher(WORKER))
            for name, source in sorted(sources.items())
        }
        for name, task in tasks.items():
            try:
                found[name] = task.result()
            except NightmillError as error:
                errors.append(error)
    if errors:
        raise min(errors, key=lambda error: not isinstance(error, Interrupted))
    return found


def _look_once(
    name: str,
    source: RemoteSource,
    store: Store,
    observer: Observer,
    stopping: Callable[[], bool],
    launcher: Launcher,
) -> Looked:
    """Looks at a source, unless another run does so meanwhile: then its look serves."""
    key = record_key(source)
    before = read_attempt(store_get(store), key)
    waited: list[str] = []

    def waiting(holder: str) -> None:
        waited.append(holder)
        observer.waiting(_label(name), holder)

    lease = acquire(store.records, f"source-{key}", give_up=stopping, waiting=waiting)
    if lease is None:
        raise Interrupted("stopped while another run looked at it", where=f"snapshot.sources.{name}")
    try:
        after = read_attempt(store_get(store), key)
        if waited and after is not None and after != before and after.outcome != "begun":
            return Looked("done" if after.outcome == "done" else "down", reason=after.reason, detail=after.detail)
        return _look(name, source, store, observer, stopping, launcher, lease)
    finally:
        lease.release()


def _look(
    name: str,
    source: RemoteSource,
    store: Store,
    observer: Observer,
    stopping: Callable[[], bool],
    launcher: Launcher,
    lease: Lease,
) -> Looked:
    above = look_folder(store, record_key(source))
    for left in above.glob("*/spec.json"):  # Of looks that were killed: the lease says that none is at work.
        shutil.rmtree(left.parent, ignore_errors=True)
    folder = above / secrets.token_hex(4)
    folder.mkdir(parents=True)
    (above / CRASH_LOG).unlink(missing_ok=True)
    spec = {"name": name, "source": source.model_dump(mode="json"), "store": str(store.root)}
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")

    def heard(event: dict[str, Any]) -> None:
        if "progress" in event:
            told = event["progress"]
            observer.progress(_label(name), told["done"], told["total"], told["unit"], told["figures"])

    try:
        result, _ = launcher(
            folder, node=_label(name), threads=1, stopping=stopping, lost=lease.lost.is_set, heard=heard
        )
    except StageFailed as error:
        if type(error).__name__ not in ("StageFailed", "StageKilled"):
            raise
        # Its process crashed or was killed: as good as no answer, and for the same policy to decide about.
        (folder / "log.txt").replace(above / CRASH_LOG)
        return record_down(store, source, "crashed", error.message)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # What was fetched by a look that did not end stays.
            above.rmdir()
    return Looked(**result.metrics)


def _label(name: str) -> str:
    return f"source {name}"
