"""Starts builders. The launcher here runs one process in its own process group, listens to it, stops and measures it.

`Launcher` is the seam where a stage that wants several processes (torchrun) or several nodes gets them.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psutil

from schemas.errors import Interrupted, NightmillError, StageFailed, StageKilled
from tasks.engine.host import high_water_mark
from tasks.engine.spec import BuildResult

GRACE_S = 2.5
"""How long a stage may take to save a checkpoint after it was asked to stop: Ctrl-C must end within 5 s."""

POLL_S = 0.1

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
    """What a process and those below it used."""

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


class Launcher(Protocol):
    """Runs a builder to its end and returns what it left and used."""

    def __call__(
        self,
        folder: Path,
        *,
        node: str,
        threads: int,
        stopping: Callable[[], bool],
        lost: Callable[[], bool],
        heard: Callable[[dict[str, Any]], None],
    ) -> tuple[BuildResult, Usage]:
        """Builds what `folder/spec.json` asks for; see `ProcessLauncher`."""
        ...


BUILDER = (sys.executable, "-P", "-m", "flows.builder")
"""The process that knows every stage. `-P`: modules in the user's working folder must not stand in for any of ours."""


@dataclass(frozen=True)
class ProcessLauncher:
    """One process for each build; the spec file and the event descriptor are appended to `command`."""

    command: tuple[str, ...] = BUILDER

    def __call__(
        self,
        folder: Path,
        *,
        node: str,
        threads: int,
        stopping: Callable[[], bool],
        lost: Callable[[], bool],
        heard: Callable[[dict[str, Any]], None],
    ) -> tuple[BuildResult, Usage]:
        """Runs a builder's process to its end.

        Args:
            folder: The builder's folder, with `spec.json` in it.
            node: For messages.
            threads: For the libraries' thread pools.
            stopping: True once the run is to stop: the stage is asked, and after `GRACE_S` killed.
            lost: True once the lease is another's: the build is killed at once.
            heard: Takes the builder's events.

        Raises:
            NightmillError: The stage failed, was killed, or was stopped.
        """
        started = time.monotonic()
        log = folder / "log.txt"
        read_end, write_end = os.pipe()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.command, str(folder / "spec.json"), str(write_end)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(write_end,),
                start_new_session=True,
                env={**_MEMORY, **os.environ, **_QUIET, **_thread_settings(threads)},
            )
        os.close(write_end)
        asked_at = 0.0
        killed = ""
        usage: Usage | None = None
        status = 0
        memory = _PeakMemory(process.pid)
        try:
            with selectors.DefaultSelector() as selector, os.fdopen(read_end, "rb", buffering=0) as events:
                selector.register(events, selectors.EVENT_READ)
                lines = _Lines(heard)
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
                    memory.sample()
                    pid, status, resources = os.wait4(process.pid, os.WNOHANG)
                    if pid:
                        process.returncode = os.waitstatus_to_exitcode(status)
                        usage = Usage(
                            time.monotonic() - started,
                            resources.ru_utime + resources.ru_stime,
                            memory.peak_bytes,
                        )
                        os.set_blocking(events.fileno(), False)
                        with contextlib.suppress(BlockingIOError):
                            while data := os.read(events.fileno(), 65536):
                                lines.take(data)
                        break
                    if lost() and not killed:
                        killed = "lease"
                        _signal_group(process.pid, signal.SIGKILL)
                    elif stopping() and not asked_at:
                        asked_at = time.monotonic()
                        _signal_group(process.pid, signal.SIGTERM, alone=True)
                    elif asked_at and time.monotonic() - asked_at > GRACE_S and not killed:
                        killed = "stop"
                        _signal_group(process.pid, signal.SIGKILL)
        finally:
            _signal_group(process.pid, signal.SIGKILL)
            if process.returncode is None:
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        assert usage is not None
        result = _outcome(
            folder, process.returncode, usage, node, stopped=bool(asked_at), lost=killed == "lease", told=lines.error
        )
        return result, replace(usage, peak_memory_bytes=max(usage.peak_memory_bytes, result.peak_memory_bytes))


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
    """Most memory that a builder and the processes below it held at a time.

    Sampled, because the kernel's own figure for a child (`ru_maxrss`) begins at the size of the process that started
    it. The builder adds its own high-water mark when it is done.
    """

    EVERY_S = 0.25

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._process: psutil.Process | None = None
        self._next = 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)

    def sample(self) -> None:
        """Looks at the processes, at most every `EVERY_S`."""
        now = time.monotonic()
        if self._process is None or now < self._next:
            return
        self._next = now + self.EVERY_S
        try:
            own = high_water_mark(self._process.pid)
            below = sum(child.memory_info().rss for child in self._process.children(recursive=True))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return
        self.peak_bytes = max(self.peak_bytes, own, below and own + below)


def _outcome(
    folder: Path, code: int, usage: Usage, node: str, *, stopped: bool, lost: bool, told: dict[str, Any] | None
) -> BuildResult:
    if lost:
        raise StageFailed("another builder took over the lease", where=node, hint="run again")
    try:
        result = BuildResult.model_validate_json((folder / "result.json").read_bytes())
    except FileNotFoundError:
        result = None
    if result is not None and result.error is not None:
        raise NightmillError.from_json(result.error)
    if result is not None and code == 0:
        return result
    if told is not None:
        raise NightmillError.from_json(told)
    if stopped:
        raise Interrupted("stopped", where=node)
    if code == -signal.SIGKILL:
        raise StageKilled(
            f"its process was killed after {usage.seconds:.0f} s, at a peak of"
            f" {usage.peak_memory_bytes / 2**20:.0f} MiB, most likely because the machine ran out of memory",
            where=node,
            hint="give it more memory, or lower this stage's part or batch size; finished work is kept",
        )
    if code < 0:
        raise StageKilled(f"its process ended by {signal.Signals(-code).name}", where=node, hint="run again")
    raise StageFailed(f"its process ended with code {code}", where=node, details=_tail(folder / "log.txt"))


def _tail(log: Path, lines: int = 15) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _signal_group(pid: int, number: signal.Signals, *, alone: bool = False) -> None:
    try:
        if alone:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _thread_settings(threads: int) -> dict[str, str]:
    return {
        name: str(threads)
        for name in (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "POLARS_MAX_THREADS",
            "ARROW_NUM_THREADS",
        )
    }
