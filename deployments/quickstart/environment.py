"""Where the harvest reads, and which of the named distributions are there."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deployments.quickstart.distributions import CHINESE, DOCSTRINGS, DOCUMENTED, Distribution, installed, normalised

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
"""The wheels that hold Chinese texts, each at an exact version."""


@dataclass(frozen=True)
class Environment:
    """Where the harvest reads.

    Attributes:
        sites: Folders of installed packages; the first that has a distribution wins.
        wheels: Folder into which the wheels of `requirements.txt` were installed.
        topics: Python's `pydoc_data/topics.py`.
        python: Python's version.
    """

    sites: tuple[Path, ...]
    wheels: Path
    topics: Path
    python: str

    @classmethod
    def current(cls, wheels: Path) -> Environment:
        """The environment of this interpreter."""
        sites = tuple(Path(entry) for entry in dict.fromkeys(sys.path) if entry.endswith("-packages"))
        topics = Path(os.__file__).parent / "pydoc_data" / "topics.py"
        return cls(sites, wheels, topics, ".".join(map(str, sys.version_info[:3])))


@dataclass
class Found:
    """The distributions to read, and the names of those that cannot be.

    Attributes:
        read: By name, those of the environment and of the wheels.
        missing: Not installed in the environment.
        missing_wheels: Not installed beside it, or not at the pinned version.
        unlicensed: State no licence.
    """

    read: dict[str, Distribution] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    missing_wheels: list[str] = field(default_factory=list)
    unlicensed: list[str] = field(default_factory=list)

    def leave_out_unlicensed(self) -> None:
        """Moves what states no licence to `unlicensed`: this reads METADATA."""
        for name in [name for name, distribution in self.read.items() if not distribution.licence]:
            self.unlicensed.append(self.read.pop(name).origin)

    def named(self, *names: str) -> list[Distribution]:
        """Returns those of the given names that can be read."""
        return [self.read[name] for name in names if name in self.read]


def find(environment: Environment) -> Found:
    """Finds the named distributions. Only folders are listed: METADATA are not read yet."""
    pins = _pins()
    here, beside = installed(environment.sites), installed([environment.wheels], pins)
    found = Found()
    for name in sorted({*DOCUMENTED, *DOCSTRINGS}):
        if name in here:
            found.read[name] = here[name]
        else:
            found.missing.append(name)
    for name in CHINESE:
        if name in beside and beside[name].version == pins[name]:
            found.read[name] = beside[name]
        else:
            found.missing_wheels.append(f"{name} {pins[name]}")
    return found


def _pins() -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    pairs = (line.partition("==") for line in lines if line)
    return {normalised(name): version for name, _, version in pairs}
