"""Starts builders: one process, or for a training as many as it has devices, and anew when one of them was lost.

`Launcher` is the seam where a stage that wants several nodes gets them. The processes of one machine are started here
and not by torchrun itself: they are told the same by the same variables, but each keeps its lifeline and its pipe for
events, and no supervisor imports torch.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from schemas.errors import Interrupted, NightmillError, StageFailed, StageKilled
from tasks.engine import ranks
from tasks.engine.processes import Ended, Processes, Usage
from tasks.engine.spec import BuildResult


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
    """One process for each build, or as many as a training has devices.

    Attributes:
        command: What is started; the spec file and the event descriptor are appended.
        devices: Processes that build together.
        sharded: Whether they split weights and optimiser state.
        restarts: How often they are all started anew after one was lost, which only several are: what a process alone
            lost is gone on from by the next run.
    """

    command: tuple[str, ...] = BUILDER
    devices: int = 1
    sharded: bool = False
    restarts: int = 2

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
        """Runs a builder's processes to their end.

        Args:
            folder: The builder's folder, with `spec.json` in it.
            node: For messages.
            threads: For the libraries' thread pools, of all processes together.
            stopping: True once the run is to stop: the stage is asked, and after `GRACE_S` killed.
            lost: True once the lease is another's: the build is killed at once.
            heard: Takes the builder's events.

        Raises:
            NightmillError: The stage failed, was killed, or was stopped.
        """
        warnings: list[str] = []
        seconds = cpu_seconds = 0.0
        peak = 0
        for attempt in range(self.restarts + 1):
            environments = [
                _thread_settings(max(1, threads // self.devices))
                | ranks.environment(number, self.devices, folder / f"rendezvous-{attempt}", sharded=self.sharded)
                for number in range(self.devices)
            ]
            processes = Processes([*self.command, str(folder / "spec.json")], folder, environments)
            ended = processes.run(stopping, lost, heard)
            seconds += ended.usage.seconds
            cpu_seconds += ended.usage.cpu_seconds
            peak = max(peak, ended.usage.peak_memory_bytes)
            if not (self.devices > 1 and ended.vanished and attempt < self.restarts):
                break
            warnings.append(
                f"process {ended.first} of {self.devices} was lost after {ended.usage.seconds:.0f} s: all were started "
                "anew, from the last checkpoint"
            )
            heard({"warning": warnings[-1]})
            _clear(folder, self.devices)
        usage = Usage(seconds, cpu_seconds, peak)
        result = _outcome(folder, ended, usage, node)
        result = result.model_copy(update={"warnings": [*warnings, *result.warnings]})
        return result, replace(usage, peak_memory_bytes=max(peak, result.peak_memory_bytes))


def _clear(folder: Path, devices: int) -> None:
    """Removes what lost processes left, checkpoints apart."""
    for number in range(devices):
        (folder / ranks.result_name(number)).unlink(missing_ok=True)
    for scratch in folder.glob("scratch*"):
        shutil.rmtree(scratch)


def _outcome(folder: Path, ended: Ended, usage: Usage, node: str) -> BuildResult:
    if ended.killed == "lease":
        raise StageFailed("another builder took over the lease", where=node, hint="run again")
    try:
        result = BuildResult.model_validate_json((folder / ranks.result_name(ended.first)).read_bytes())
    except FileNotFoundError:
        result = None
    if result is not None and result.error is not None:
        raise NightmillError.from_json(result.error)
    if result is not None and ended.code == 0:
        return result
    if ended.told is not None:
        raise NightmillError.from_json(ended.told)
    if ended.asked:
        raise Interrupted("stopped", where=node)
    if ended.code == -signal.SIGKILL:
        raise StageKilled(
            f"its process was killed after {usage.seconds:.0f} s, at a peak of"
            f" {usage.peak_memory_bytes / 2**20:.0f} MiB, most likely because the machine ran out of memory",
            where=node,
            hint="give it more memory, or lower this stage's part or batch size; finished work is kept",
        )
    if ended.code < 0:
        raise StageKilled(f"its process ended by {signal.Signals(-ended.code).name}", where=node, hint="run again")
    raise StageFailed(f"its process ended with code {ended.code}", where=node, details=_tail(folder / "log.txt"))


def _tail(log: Path, lines: int = 15) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


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
