"""The processes of one build: started each in its own group, listened to, stopped and measured."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tasks.engine.host import high_water_mark

GRACE_S = 2.5
"""How long a stage may take to save a checkpoint after it was asked to stop: Ctrl-C must end within 5 s."""

POLL_S = 0.1

SETTLE_S = 0.5
"""How long the ends of other processes are waited for after one failed: what it failed of may be that another died."""

_QUIET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}

_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Arrow's own allocator keeps what was freed, per thread: a builder of 135 parts grew from 219 to 290 MiB with it, from
182 to 200 with the system's, at the same CPU time. The user's own setting counts first."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes and those below them used."""

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How the processes of a build ended.

    Attributes:
        first: The process that decides: one that was lost, else the first that failed, else the first of all.
        code: Its exit code, below 0 for a signal.
        asked: Whether they were asked to stop.
        killed: Why they were killed from here: `lease`, `stop`, `failure` of one of them, or not at all.
        told: An error that was told in place of a result.
        usage: Of all of them.
    """

    first: int
    code: int
    asked: bool
    killed: str
    told: dict[str, Any] | None
    usage: Usage

    @property
    def vanished(self) -> bool:
        """Whether a process was lost that nobody here meant to end."""
        return self.code < 0 and not self.asked and self.killed in ("", "failure")


class Processes:
    """The processes of one attempt at a build.

    Args:
        command: What is started; the event descriptor is appended.
        folder: Where `log.txt` is written on.
        environments: Further variables, of each process.
    """

    def __init__(self, command: Sequence[str], folder: Path, environments: Sequence[Mapping[str, str]]) -> None:
        self._started = time.monotonic()
        self._read_end, write_end = os.pipe()
        self._cpu_seconds = 0.0
        self._codes: dict[int, int] = {}
        self._failed_first: int | None = None
        self._killed: set[int] = set()
        with (folder / "log.txt").open("ab") as output:
            self._running = [
                subprocess.Popen(
                    [*command, str(write_end)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write_end,),
                    start_new_session=True,
                    env={**_MEMORY, **os.environ, **_QUIET, **environment},
                )
                for environment in environments
            ]
        os.close(write_end)
        self._memory = _PeakMemory([process.pid for process in self._running])

    def run(
        self, stopping: Callable[[], bool], lost: Callable[[], bool], heard: Callable[[dict[str, Any]], None]
    ) -> Ended:
        """Runs them to their end; see `ProcessLauncher`."""
        asked_at = failed_at = 0.0
        killed = ""
        lines = _Lines(heard)
        try:
            with selectors.DefaultSelector() as selector, os.fdopen(self._read_end, "rb", buffering=0) as events:
                selector.register(events, selectors.EVENT_READ)
                open_ = True
                while True:
                    if not open_:
                        time.sleep(POLL_S)
                    for _ in selector.select(POLL_S) if open_ else ():
                        data = os.read(events.fileno(), 65536)
                        if not data:
                            selector.unregister(events)
                            open_ = False
                        lines.take(data)
                    self._memory.sample()
                    self._reap()
                    now = time.monotonic()
                    if len(self._codes) == len(self._running):
                        os.set_blocking(events.fileno(), False)
                        with contextlib.suppress(BlockingIOError):
                            while data := os.read(events.fileno(), 65536):
                                lines.take(data)
                        break
                    if self._failed_first is not None and not failed_at:
                        failed_at = now
                    if lost() and not killed:
                        killed = "lease"
                        self._kill()
                    elif stopping() and not asked_at:
                        asked_at = now
                        self._signal(signal.SIGTERM)
                    elif asked_at and now - asked_at > GRACE_S and not killed:
                        killed = "stop"
                        self._kill()
                    elif failed_at and not asked_at and now - failed_at > SETTLE_S and not killed:
                        killed = "failure"
                        self._kill()
        finally:
            self._kill()
            for process in self._running:
                if process.returncode is None:
                    process.wait()
                if process.stdin is not None:
                    process.stdin.close()
        first = self._deciding()
        usage = Usage(time.monotonic() - self._started, self._cpu_seconds, self._memory.peak_bytes)
        return Ended(first, self._codes[first], bool(asked_at), killed, lines.error, usage)

    def _reap(self) -> None:
        """Takes in what processes have ended, and what they used."""
        for number, process in enumerate(self._running):
            if number in self._codes:
                continue
            pid, status, resources = os.wait4(process.pid, os.WNOHANG)
            if not pid:
                continue
            process.returncode = self._codes[number] = os.waitstatus_to_exitcode(status)
            self._cpu_seconds += resources.ru_utime + resources.ru_stime
            if process.returncode and self._failed_first is None and number not in self._killed:
                self._failed_first = number

    def _deciding(self) -> int:
        if self._codes[0] == 0:
            return 0  # it leaves the outputs when all the work is done
        vanished = [number for number, code in self._codes.items() if code < 0 and number not in self._killed]
        if vanished:
            return vanished[0]
        return 0 if self._failed_first is None else self._failed_first

    def _signal(self, number: signal.Signals) -> None:
        """Signals the processes alone, which tell those below them themselves."""
        for process in self._running:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, number)

    def _kill(self) -> None:
        """Kills what is left of them, and of the processes below each."""
        for number, process in enumerate(self._running):
            if process.returncode is None:
                self._killed.add(number)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


class _Lines:
    """Cuts what a builder says into events. `error` is what it could not leave in a file."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self.error: dict[str, Any] | None = None
        self._heard = heard
        self._pending = b""

    def take(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            self.error = event.get("error", self.error)
            self._heard(event)


class _PeakMemory:
    """Most memory that builders and the processes below them held at a time.

    Sampled, because the kernel's own figure for a child (`ru_maxrss`) begins at the size of the process that started
    it. The builder adds its own high-water mark when it is done.
    """

    EVERY_S = 0.25

    def __init__(self, pids: Sequence[int]) -> None:
        self.peak_bytes = 0
        self._processes: list[psutil.Process] = []
        self._next = 0.0
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._processes.append(psutil.Process(pid))

    def sample(self) -> None:
        """Looks at the processes, at most every `EVERY_S`."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self.EVERY_S
        together = 0
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                below = sum(child.memory_info().rss for child in process.children(recursive=True))
                alone = len(self._processes) == 1 and not below
                together += high_water_mark(process.pid) if alone or below else process.memory_info().rss
                together += below
        self.peak_bytes = max(self.peak_bytes, together)
