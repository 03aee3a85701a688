"""Before a plan is made: remote sources are looked at, those that must be or all of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from schemas.config.snapshot import SnapshotConfig
from schemas.config.source import RemoteSource
from schemas.manifest import StageOutcome
from tasks.engine.listener import Listener
from tasks.engine.sight import StoreSight
from tasks.fetch.record import record_key
from tasks.fetch.verdict import judge
from tasks.store.store import Store

if TYPE_CHECKING:
    from tasks.fetch.take import Looked


def look_at_sources(config: SnapshotConfig, store: Store, listener: Listener, *, every: bool) -> set[str]:
    """Looks at remote sources and returns the keys under which they are remembered.

    Args:
        config: The sources.
        store: Where they are remembered.
        listener: Is told how it goes.
        every: All of them; otherwise those that are due.

    Raises:
        NightmillError: See `tasks.fetch.refresh`. That a source is down is no error here: the plan says what follows.
    """
    remote = {name: source for name, source in config.sources.items() if isinstance(source, RemoteSource)}
    reasons = {name: "looked at anew" if every else judge(name, remote[name], StoreSight(store)).due for name in remote}
    chosen = {name: remote[name] for name, reason in reasons.items() if reason}
    if not chosen:
        return set()
    from tasks.fetch.refresh import refresh

    began = time.monotonic()
    for name in chosen:
        listener.started(f"source {name}", reasons[name])
    with _told_to_stop() as stop:
        found = refresh(chosen, store, listener, stopping=stop.is_set)
    for outcome in _outcomes(found, time.monotonic() - began):
        listener.finished(outcome)
    return {record_key(source) for source in chosen.values()}


def _outcomes(found: Mapping[str, Looked], seconds: float) -> Iterator[StageOutcome]:
    for name, looked in found.items():
        if looked.outcome == "done":
            told = f"{looked.transferred} of {looked.items} files transferred"
            told += f", {looked.failures} could not be had" if looked.failures else ""
        else:
            told = f"down, {looked.reason}" + (f": {looked.detail}" if looked.detail else "")
        yield StageOutcome(
            node=f"source {name}",
            stage="snapshot",
            outcome="built" if looked.outcome == "done" else "failed",
            reason=told,
            seconds=seconds,
        )


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """While this holds, Ctrl-C and SIGTERM set the event, and end nothing by themselves."""
    stop = threading.Event()

    def answer(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
