"""What a run shows while it goes: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from schemas.manifest import StageOutcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PLAIN_EVERY_S = 10.0
"""A stage that takes long says so this often, where lines cannot be redrawn."""

MARKS = {
    "cached": "=",
    "built": "+",
    "resumed": "+",
    "failed": "x",
    "held": "!",
    "blocked": "-",
    "interrupted": "x",
}


def describe(outcome: StageOutcome) -> str:
    """Returns what became of a stage in one line."""
    line = f"{MARKS.get(outcome.outcome, ' ')} {outcome.node}: {outcome.outcome}"
    if outcome.outcome in ("built", "resumed"):
        line += f" in {outcome.seconds:.1f} s"
    return line + (f" ({outcome.reason})" if outcome.reason else "")


def rate(done: float, total: float, unit: str, figures: Mapping[str, float], *, first: float, seconds: float) -> str:
    """Returns progress as `120/340 steps, 2.1 steps/s, 1:45 left, loss 4.31`.

    Args:
        done: Units that are done.
        total: Units there are.
        unit: Name of the units.
        figures: Shown behind.
        first: Units that were done when the time began to be taken, such as those of a killed predecessor.
        seconds: Time since then.
    """
    parts = [f"{done:,.0f}/{total:,.0f} {unit}"]
    if done > first and seconds > 0.5:
        speed = (done - first) / seconds
        parts.append(f"{speed:,.1f} {unit}/s" if speed < 100 else f"{speed:,.0f} {unit}/s")
        left = int((total - done) / speed)
        parts.append(f"{left // 60}:{left % 60:02d} left")
    parts += [f"{name.replace('_', ' ')} {value:,.4g}" for name, value in figures.items()]
    return ", ".join(parts)


class PlainLines:
    """One line when a stage begins, now and then while it works, and when it ends."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._began: dict[str, tuple[float, float]] = {}
        self._shown: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, node: str, reason: str) -> None:
        self._shown[node] = time.monotonic()
        self._say(f"> {node}: {reason}")

    def waiting(self, node: str, holder: str) -> None:
        self._say(f"> {node}: waits for {holder}, which is building it")

    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        began, first = self._began.setdefault(f"{node} {unit}", (now, done))
        if now - self._shown.get(node, now) >= PLAIN_EVERY_S:
            self._shown[node] = now
            self._say(f"  {node}: {rate(done, total, unit, figures, first=first, seconds=now - began)}")

    def warned(self, node: str, message: str) -> None:
        self._say(f"! {node}: {message}")

    def finished(self, outcome: StageOutcome) -> None:
        if outcome.outcome not in ("cached", "skipped"):
            self._say(describe(outcome))

    def _say(self, line: str) -> None:
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class LiveLines:
    """A redrawn line for each stage at work; what is finished scrolls up."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._console = console
        self._progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[node]}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}", markup=False),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, node: str, reason: str) -> None:
        if node not in self._tasks:
            self._tasks[node] = self._progress.add_task(node, total=None, node=node, told=reason)

    def waiting(self, node: str, holder: str) -> None:
        self._update(node, f"waits for {holder}, which is building it")

    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        began, first = self._began.setdefault(f"{node} {unit}", (now, done))
        told = rate(done, total, unit, figures, first=first, seconds=now - began)
        if node in self._tasks:
            self._progress.update(self._tasks[node], completed=done, total=total, told=told)

    def warned(self, node: str, message: str) -> None:
        self._console.print(f"! {node}: {message}", markup=False, style="yellow")

    def finished(self, outcome: StageOutcome) -> None:
        if outcome.node in self._tasks:
            self._progress.remove_task(self._tasks.pop(outcome.node))
        if outcome.outcome not in ("cached", "skipped"):
            style = {"failed": "red", "held": "yellow", "blocked": "dim", "interrupted": "yellow"}.get(outcome.outcome)
            self._console.print(describe(outcome), markup=False, style=style, highlight=False)

    def _update(self, node: str, told: str) -> None:
        if node in self._tasks:
            self._progress.update(self._tasks[node], told=told)


def listener() -> PlainLines | LiveLines:
    """Returns what suits standard error: live lines on a terminal (NO_COLOR is respected), plain lines elsewhere."""
    if not sys.stderr.isatty():
        return PlainLines()
    from rich.console import Console

    return LiveLines(Console(stderr=True))
