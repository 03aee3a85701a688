"""Who is told what happens in a run: a terminal, a log, nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from schemas.manifest import StageOutcome


class Listener(Protocol):
    """Is told what happens; calls come from several threads."""

    def started(self, node: str, reason: str) -> None: ...
    def waiting(self, node: str, holder: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None: ...
    def warned(self, node: str, message: str) -> None: ...
    def finished(self, outcome: StageOutcome) -> None: ...


class Silence:
    """A listener that listens to nothing."""

    def started(self, node: str, reason: str) -> None: ...
    def waiting(self, node: str, holder: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None: ...
    def warned(self, node: str, message: str) -> None: ...
    def finished(self, outcome: StageOutcome) -> None: ...


class Lossy:
    """Tells another listener; that its terminal or pipe is gone is no reason to end a build."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def started(self, node: str, reason: str) -> None:
        with contextlib.suppress(OSError):
            self._listener.started(node, reason)

    def waiting(self, node: str, holder: str) -> None:
        with contextlib.suppress(OSError):
            self._listener.waiting(node, holder)

    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None:
        with contextlib.suppress(OSError):
            self._listener.progress(node, done, total, unit, figures)

    def warned(self, node: str, message: str) -> None:
        with contextlib.suppress(OSError):
            self._listener.warned(node, message)

    def finished(self, outcome: StageOutcome) -> None:
        with contextlib.suppress(OSError):
            self._listener.finished(outcome)

    def heard(self, node: str, event: Mapping[str, Any]) -> None:
        """Passes on what a builder says through its pipe."""
        if "progress" in event:
            told = event["progress"]
            self.progress(node, told["done"], told["total"], told["unit"], told["figures"])
        if "warning" in event:
            self.warned(node, event["warning"])
