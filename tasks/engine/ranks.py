"""The processes of one build, for stages that train in several: told by the variables that torchrun sets.

Every process builds the same stage; the first alone speaks to the supervisor and leaves outputs. Whoever trains without
the engine starts the same code under torchrun.
"""

from __future__ import annotations

import os
from pathlib import Path

RENDEZVOUS = "NIGHTMILL_RENDEZVOUS"
"""Names a file in which the processes find each other. torchrun names an address and a port instead, which another
program may have taken meanwhile."""

SHARDED = "NIGHTMILL_SHARDED"
"""Set where weights and optimiser state are split between the processes."""


class PartDone(Exception):
    """Ends the build in a process that is not the first, once its part is done."""


def rank() -> int:
    """Returns the number of this process; 0 for the first, and for one alone."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Returns the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def result_name(number: int) -> str:
    """Returns the name of the file in which a process leaves its result."""
    return f"result-{number}.json" if number else "result.json"


def environment(number: int, of: int, rendezvous: Path, *, sharded: bool) -> dict[str, str]:
    """Returns the variables that make a process number `number` of `of` on this machine; none for one alone."""
    if of == 1:
        return {}
    found = {
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(of),
        "LOCAL_WORLD_SIZE": str(of),
        RENDEZVOUS: str(rendezvous),
    }
    if sharded:
        found[SHARDED] = "1"
    if Path("/sys/class/net/lo").exists():
        found["GLOO_SOCKET_IFNAME"] = "lo"  # the machine's own name need not resolve to anything
    return found
