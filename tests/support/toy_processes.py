"""Processes that train the toy: forked from one that has imported torch already, so that a test can have dozens."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import toy_training

from tasks.engine import ranks

ROOT = Path(toy_training.__file__).parents[2]


def start(folder: Path, *, processes: int = 1, sharded: bool = False, **given: Any) -> list[ForkServerProcess]:
    """Starts the processes of one training of the toy; see `toy_training.train_process`."""
    # The server imports before it is told this process's paths.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(Path(toy_training.__file__).parent)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toy_training", "torch.distributed.fsdp", "torch.distributed.tensor"])
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.parent.glob("rendezvous-*")))
    meeting = folder.parent / f"rendezvous-{number}"
    started = []
    for rank in range(processes):
        environment = ranks.environment(rank, processes, meeting, sharded=sharded)
        process = context.Process(target=toy_training.train_process, args=(str(folder), given, environment))
        process.start()
        started.append(process)
    meeting.with_name(f"rendezvous-{number}-taken").touch()
    return started


def finish(processes: list[ForkServerProcess]) -> None:
    """Waits for processes that are expected to end well."""
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(processes)
