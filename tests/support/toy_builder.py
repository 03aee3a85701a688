"""A builder's process with stages that misbehave on demand: `python toy_builder.py SPEC EVENTS`."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.config.base import Config
from schemas.errors import Interrupted
from tasks.engine.child import main
from tasks.engine.stage import Context, Part, Stage


class FaultConfig(Config):
    """How a stage misbehaves."""

    parts: int = 4
    steps: int = 6
    trouble: str = ""
    journal: str = ""

    def identity(self) -> dict[str, Any]:
        return {"parts": self.parts, "steps": self.steps}


def note(config: FaultConfig, line: str) -> None:
    with Path(config.journal).open("a") as file:
        file.write(line + "\n")


def part(part: Part, folder: Path) -> Mapping[str, Any]:
    journal = Path(str(part.execution["journal"]))
    if part.execution["trouble"] == "kill" and part.parameters["number"] == 2:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if part.execution["trouble"] == "worker":
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1)  # long enough for the rest to be worth a pool
    if part.execution["trouble"] == "slow":
        time.sleep(0.3)
    (folder / "out.txt").write_text(f"part {part.parameters['number']}")
    with journal.open("a") as file:
        file.write(f"part {part.parameters['number']}\n")
    return {"number": part.parameters["number"]}


def build_parts(context: Context) -> None:
    config = context.config
    parts = [
        Part(
            f"p{number}",
            parameters={"number": number},
            execution={"journal": config.journal, "trouble": config.trouble},
        )
        for number in range(config.parts)
    ]
    for result in context.map_parts(part, parts):
        context.add("data", f"{result.name}.txt", result.files["out.txt"])
    context.report(rows_out=config.parts)


def build_steps(context: Context) -> None:
    """Adds up numbers with a checkpoint after each, the way a trainer does."""
    config = context.config
    done = sorted(context.checkpoints.glob("step-*"))
    step, total = 0, 0
    if done:
        step, total = (int(word) for word in (done[-1] / "state.txt").read_text().split())
        context.resumed(f"step {step}")
    while step < config.steps:
        if context.stopping():
            note(config, "stopping")
            raise Interrupted(f"stopped after step {step}")
        step, total = step + 1, total + step * step
        place = context.checkpoints / f".tmp-{step}"
        place.mkdir()
        (place / "state.txt").write_text(f"{step} {total}")
        place.rename(context.checkpoints / f"step-{step:08d}")
        note(config, f"step {step}")
        context.progress(step, config.steps, "steps")
        if config.trouble == "kill" and step == 3 and not done:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if config.trouble == "slow":
            time.sleep(0.3)
        if config.trouble == "deaf":
            time.sleep(600)
    out = context.folder / "total.txt"
    out.write_text(str(total))
    context.add("data", "total.txt", out)


def build_trouble(context: Context) -> None:
    trouble = context.config.trouble
    if trouble == "out of memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "allocation":
        raise MemoryError("Unable to allocate 3 TiB")
    if trouble == "defect":
        raise KeyError("surprise")
    if trouble == "full disk":
        ballast = Path(context.config.journal)
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        raise OSError(errno.ENOSPC, "No space left on device", str(context.folder))
    if trouble == "exit":
        os._exit(7)
    out = context.folder / "fine.txt"
    out.write_text("fine")
    context.add("data", "fine.txt", out)


def stage(name: str, build: Any) -> Stage:
    return Stage(name=name, version=1, config=FaultConfig, outputs=("data",), build=build)


STAGES = {
    "parts": stage("parts", build_parts),
    "steps": stage("steps", build_steps),
    "trouble": stage("trouble", build_trouble),
}

if __name__ == "__main__":
    sys.exit(main(STAGES, sys.argv[1:]))
