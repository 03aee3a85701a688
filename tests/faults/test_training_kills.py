"""Kill -9 at random moments of a training, also while it writes a checkpoint: it ends with the same bytes."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

from toy_processes import finish, start

KILLS = 20
SETTINGS: dict[str, Any] = {
    "steps": 40,
    "checkpoint_every": 2,
    "evaluate_every": 7,
    "ema_decay": 0.9,
    "export": "best",
}


def _newest(folder: Path) -> int:
    return max((int(path.name[5:]) for path in folder.glob("step-*")), default=0)


def _is_writing(folder: Path) -> bool:
    return any(entry.name.startswith(".step-") for entry in folder.iterdir())


def _kill(folder: Path, generator: random.Random, *, in_a_write: bool) -> bool:
    """Kills a training once it has come some steps further; returns whether a half-written checkpoint was left."""
    (process,) = start(folder, **SETTINGS)
    target = _newest(folder) + generator.choice([0, 2, 2, 4])
    while process.is_alive() and not (_newest(folder) >= target and (_is_writing(folder) or not in_a_write)):
        time.sleep(0.0002)
    time.sleep(generator.uniform(0, 0.003 if in_a_write else 0.03))
    process.kill()
    process.join()
    return _is_writing(folder)


def _left(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("final-0.safetensors", "steps.jsonl")}


def test_twenty_kills_cost_no_byte(tmp_path: Path) -> None:
    finish(start(tmp_path / "whole", **SETTINGS))
    expected = _left(tmp_path / "whole")
    generator = random.Random(0)
    folder = tmp_path / "killed"
    in_writes = goings_on = 0
    for number in range(KILLS):
        folder.mkdir(exist_ok=True)
        in_writes += _kill(folder, generator, in_a_write=number % 2 == 0)
        goings_on += _newest(folder) > 0
        if _newest(folder) > 24 or number == KILLS - 1:
            finish(start(folder, **SETTINGS))
            assert _left(folder) == expected
            shutil.rmtree(folder)
    assert in_writes >= 3, "kills must also hit checkpoints being written"
    assert goings_on >= 10, "kills must also hit trainings that have something to lose"
