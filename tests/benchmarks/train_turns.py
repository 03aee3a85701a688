"""How programs that train side by side take turns: one step loop runs at a time, and each knows what its turns cost.

A benchmark starts every side as a process of its own, with the settings as JSON in its first argument. A side calls
`Turns.step` after each of its steps. After the first, which warms up, and after each `settings["steps"]` more it writes
what the turn cost as a line of JSON and waits for a line on its standard input; an empty input ends it. Standard
library only, since it is loaded by peers in environments of their own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


class Finished(Exception):
    """Raised in a side's loop when no further turn is wanted."""


class Turns:
    """The turns of this process.

    Args:
        settings: `steps`: steps in a turn.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._steps: int = settings["steps"]
        self._left = 1
        self._cpu = self._clock = 0.0

    def step(self, loss: float) -> None:
        """Counts a step; at the end of a turn tells what it cost and waits for the next."""
        self._left -= 1
        if self._left:
            return
        self._tell(loss)
        if not sys.stdin.readline():
            raise Finished
        self._left = self._steps
        self._cpu, self._clock = time.process_time(), time.perf_counter()

    def _tell(self, loss: float) -> None:
        figures = {
            "cpu_s": time.process_time() - self._cpu,
            "wall_s": time.perf_counter() - self._clock,
            "loss": loss,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
