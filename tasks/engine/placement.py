"""Where a node is brought about. `here` is this process and the builders it starts.

This is the seam for other places, such as a deployment on another work pool that shares the store: a placement gets a
run and a node's name, and returns what became of the node once the store holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas.manifest import StageOutcome
from tasks.engine.runner import Run

Placement = Callable[[Run, str], StageOutcome]


def here(run: Run, name: str) -> StageOutcome:
    """Builds in a process of this machine."""
    return run.execute(name)


PLACEMENTS: Mapping[str, Placement] = {"here": here}


def bring_about(run: Run, name: str) -> StageOutcome:
    """Brings a node about at the place that its settings name."""
    return PLACEMENTS[run.resources(name).placement](run, name)
