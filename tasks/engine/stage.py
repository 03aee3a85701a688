"""The contract between a stage and the engine.

A stage is one `Stage` value in its folder's `stage.py`. That module is imported by `plan`, so it imports nothing heavy:
its `build` function imports what it needs. `build` runs in a process of its own with a `Context`; a part function runs
there too, or in a pool below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from schemas.config.base import Config

JSON = Any
"""A value that canonical JSON can hold: str, int, finite float, bool, None, list, dict with string keys."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are in the store.

    Attributes:
        name: Path inside its output, "/"-separated.
        digest: sha256 of the bytes, hex.
        size: Bytes.
        rows: Rows, for tables.
    """

    name: str
    digest: str
    size: int
    rows: int | None = None


class InputFile(Protocol):
    """A stored file that a stage may read."""

    @property
    def stored(self) -> StoredFile: ...

    @property
    def path(self) -> Path:
        """A local file with the bytes, checked against their digest on first use.

        Raises:
            DamagedArtifact: The bytes are gone or altered.
        """
        ...


class InputOutput(Protocol):
    """A named output of an earlier stage, as an input."""

    @property
    def files(self) -> Sequence[InputFile]:
        """The content files, sorted by name."""
        ...

    def folder(self) -> Path:
        """A read-only folder that holds the files under their names, each checked (e.g. a Hugging Face folder)."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of work whose result depends on nothing but `files` and `parameters`.

    Attributes:
        name: Unique within the call, sorted order is the order of results; becomes part of error messages.
        files: Stored files that the part reads.
        parameters: Everything else that decides the result; enters the part's key as canonical JSON.
        execution: What does not decide the result, such as the folder where a source lies.
        bytes_elsewhere: How much it reads beside `files`, such as files of a source's folder: tells how long it takes.
    """

    name: str
    files: Sequence[InputFile] = ()
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    execution: Mapping[str, JSON] = field(default_factory=dict)
    bytes_elsewhere: int = 0


PartFunction = Callable[[Part, Path], Mapping[str, JSON]]
"""Writes files into the given empty folder and returns small JSON figures. Must be a module-level function."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part function left: its files (by name, sorted) and the figures it returned."""

    name: str
    files: Mapping[str, StoredFile]
    figures: Mapping[str, JSON]
    reused: bool


class Context(Protocol):
    """What a stage's `build` is given."""

    @property
    def config(self) -> Any:
        """The stage's configuration, an instance of `Stage.config`."""
        ...

    @property
    def inputs(self) -> Mapping[str, InputOutput]:
        """By the names that the stage's `inputs` give."""
        ...

    @property
    def look(self) -> JSON:
        """What the stage's `look` returned as `detail` (None for stages without one)."""
        ...

    @property
    def date(self) -> str:
        """The run's nominal date, ISO: only for ledgers."""
        ...

    @property
    def predecessor(self) -> Mapping[str, InputOutput] | None:
        """The outputs of the artifact that this one continues, for ledgers and for stages that go on from their own."""
        ...

    @property
    def earlier(self) -> Mapping[str, InputOutput] | None:
        """The outputs, and as `diagnostics` the diagnostics, of the pipeline's latest artifact of this node.

        None unless that was made with these settings and this code. A hint that saves work: it enters no key, so what
        is built must be the same without it.
        """
        ...

    @property
    def threads(self) -> int:
        """How many threads to compute with."""
        ...

    @property
    def folder(self) -> Path:
        """Scratch of this builder, empty at the start, removed afterwards."""
        ...

    @property
    def checkpoints(self) -> Path:
        """Where to keep checkpoints. Holds those of a killed predecessor; survives until the artifact is published."""
        ...

    def map_parts(self, function: PartFunction, parts: Sequence[Part]) -> list[PartResult]:
        """Runs the function over the parts, in a pool if `workers` allows; finished parts are kept and never redone.

        Results come in the order of `parts`.
        """
        ...

    def keep(self, file: Path) -> StoredFile:
        """Takes a file written below `folder` into the store as part of no output, such as the bytes of a source."""
        ...

    def stored_file(self, file: StoredFile) -> InputFile:
        """Returns a stored file as a part may read it, in whatever process it runs."""
        ...

    def path(self, file: StoredFile) -> Path:
        """Returns a local file with the bytes of a stored one, such as a part's result.

        Raises:
            DamagedArtifact: The bytes are gone or altered.
        """
        ...

    def add(self, output: str, name: str, file: Path | StoredFile, *, rows: int | None = None) -> None:
        """Adds a content file to a named output: a file written below `folder`, or one that is stored already."""
        ...

    def add_folder(self, output: str, folder: Path) -> None:
        """Adds every file below a folder to a named output, under its relative path."""
        ...

    def add_diagnostic(self, name: str, file: Path | StoredFile) -> None:
        """Adds a log, plot or report: kept with the artifact, left out of every content digest."""
        ...

    def report(self, **figures: JSON) -> None:
        """Records metrics in the manifest. `rows_in` and `rows_out` are shown in the table of stages."""
        ...

    def lead(self) -> None:
        """Ends the build here in every process but the first, for stages that train in several: the first goes on."""
        ...

    def warn(self, message: str) -> None:
        """Records a warning in the manifest and shows it."""
        ...

    def progress(self, done: float, total: float, unit: str, **figures: float) -> None:
        """Says how far the work is; cheap to call often."""
        ...

    def resumed(self, what: str) -> None:
        """Says that the build goes on from earlier work (`step 120`), so that the table of stages shows it."""
        ...

    def stopping(self) -> bool:
        """True once the run is to stop: save a checkpoint and raise `Interrupted`, within 2 seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a stage: the named output of another node of the graph."""

    node: str
    output: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a stage sees of the world outside the store when a plan is made.

    Attributes:
        identity: JSON that enters the key: digests, never absolute paths or times.
        detail: JSON handed to `build` as `context.look`; must follow from what `identity` digests, but for locations.
        pending: Why this is not known yet: something must be looked at that only a run looks at. The rest is empty.
        held: Why the stage must wait; the rest is empty.
        hint: What to do about what is held.
        warnings: What every run should say, though it changes nothing that is built.
        pins: References that were followed, and the versions they led to: recorded with the run.
    """

    identity: JSON
    detail: JSON
    pending: str = ""
    held: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)


class StatCache(Protocol):
    """Remembers digests of files by path, inode, size and modification time."""

    def digest(self, path: Path) -> str: ...


class Sight(StatCache, Protocol):
    """What a look may see: files of this machine, and small records and objects of the store. All of it is quick."""

    def record(self, name: str) -> bytes | None:
        """Returns a record of the store, or None if there is none."""
        ...

    def holds(self, digest: str, size: int) -> bool:
        """Tells whether the store has an object of that size."""
        ...

    def has_looked(self, key: str) -> bool:
        """Tells whether this very command has looked at what is remembered under a key, such as a remote source."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A kind of stage.

    Attributes:
        name: Its folder's name.
        version: Raised by the author when results change in a way the code fingerprint cannot see.
        config: Its configuration model.
        outputs: Names of its outputs.
        build: Builds the artifact.
        cost: An expensive stage is held, not rebuilt, when only its code changed.
        look: What it sees of the world outside the store, for stages that read sources.
        keeps_ledger: Its artifact continues its predecessor's (the ledger of a snapshot).
        keeps_baseline: Its artifact is compared with its predecessor's but adds nothing to it: with the inputs of an
            earlier state, that state is used again.
        memory: The output that the next state continues, for stages that keep a ledger or a baseline: by default the
            first.
        uses_earlier: Whether its `build` looks at `Context.earlier`.
        trains: Whether several processes may build it together, as torchrun starts them.
        continues: Whether, with given settings, it goes on from its own artifact of an earlier date: `build` finds that
            as `Context.predecessor`. See `tasks.engine.lineage`.
    """

    name: str
    version: int
    config: type[Config]
    outputs: tuple[str, ...]
    build: Callable[[Context], None]
    cost: Literal["cheap", "expensive"] = "cheap"
    look: Callable[[Any, Sight], Look] | None = None
    keeps_ledger: bool = False
    keeps_baseline: bool = False
    memory: str = ""
    uses_earlier: bool = False
    trains: bool = False
    continues: Callable[[Any], bool] | None = None
