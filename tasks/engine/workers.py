"""The processes of one build: its own, and those that work beside it where the work is worth their start.

All of them go through the same list of tasks, and each task belongs to whoever makes its folder first. So none waits
for another: the build's own process works while the others start, and takes over what they have not begun.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import Empty, SimpleQueue
from typing import Protocol

from schemas.errors import Interrupted, StageKilled
from tasks.engine.stage import PartResult

WORTH_A_POOL_S = 2.0
"""Starting a process takes up to a second of CPU, imports included: with less work left than this, that is more than it
saves."""

SURE_BYTES = 32 << 20
"""With more than this to read the processes are started at once: the fastest part functions read it in half a second,
most take ten, and a first part of the default size done alone would be a large share of it."""

POLL_S = 0.2

Answers = SimpleQueue[Future[PartResult | None]]
"""What other processes were asked and have answered; None for what was done already."""


class Task(Protocol):
    """One piece of work, small enough to be sent to another process."""

    @property
    def weight(self) -> int:
        """Bytes to read, about."""
        ...

    def claim(self) -> bool:
        """Tells, to one process only, that the task is its own."""
        ...

    def do(self) -> PartResult:
        """Does the work."""
        ...


class Workers:
    """The processes that work over the parts of one build: started when they are needed, kept until it ends.

    Args:
        count: How many at a time, this process included.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def do(self, tasks: Sequence[Task], stopping: Callable[[], bool], keep: Callable[[PartResult], None]) -> None:
        """Does all tasks, in about the order given, and hands over each result.

        Raises:
            Interrupted: The run is to stop.
            StageKilled: A process was killed.
        """
        try:
            self._do(tasks, stopping, keep)
        except BrokenProcessPool:
            self.abandon()
            raise StageKilled(
                "a process that worked on its parts was killed, most likely because the machine ran out of memory",
                hint="give it more memory, or lower `execution.workers` or the part size; finished parts are kept",
            ) from None
        except BaseException:
            self.abandon()
            raise

    def _do(self, tasks: Sequence[Task], stopping: Callable[[], bool], keep: Callable[[PartResult], None]) -> None:
        pace = _Pace(tasks)
        finished: Answers = SimpleQueue()
        elsewhere = 0
        for number, task in enumerate(tasks):
            if stopping():
                raise Interrupted("stopped between two parts")
            if not elsewhere and self._is_worth_it(pace, len(tasks) - number):
                elsewhere = self._start(tasks[number:], finished)
            if task.claim():
                keep(task.do())
                pace.done += task.weight
            elsewhere -= _take(finished, keep, 0.0)
        while elsewhere:
            elsewhere -= _take(finished, keep, POLL_S)
            if elsewhere and stopping():
                raise Interrupted("stopped between two parts")

    def _is_worth_it(self, pace: _Pace, left: int) -> bool:
        if self.count == 1 or left == 1:
            return False
        return self._pool is not None or pace.is_long()

    def _start(self, tasks: Sequence[Task], finished: Answers) -> int:
        """Has the other processes go through tasks; returns how many answers will come."""
        if self._pool is None:
            # Spawned, not forked: a fork of a process with threads (Arrow, Polars) can lock up.
            self._pool = ProcessPoolExecutor(self.count - 1, mp_context=multiprocessing.get_context("spawn"))
        # All at once: a queued task is its description only, and is skipped where it was done here.
        for task in tasks:
            self._pool.submit(_do_elsewhere, task).add_done_callback(finished.put)
        return len(tasks)

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


class _Pace:
    """How fast this process gets on."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.done = 0
        self._all = sum(task.weight for task in tasks)
        self._started = time.monotonic()

    def is_long(self) -> bool:
        """Whether what is left is worth a pool."""
        left = self._all - self.done
        if left > SURE_BYTES:
            return True
        return self.done > 0 and (time.monotonic() - self._started) / self.done * left > WORTH_A_POOL_S


def _do_elsewhere(task: Task) -> PartResult | None:
    return task.do() if task.claim() else None


def _take(answers: Answers, keep: Callable[[PartResult], None], timeout_s: float) -> int:
    """Hands over the results that have come, and waits for the first; returns how many answers these were."""
    count = 0
    with contextlib.suppress(Empty):
        while True:
            result = answers.get(timeout=0.0 if count else timeout_s).result()
            count += 1
            if result is not None:
                keep(result)
    return count
