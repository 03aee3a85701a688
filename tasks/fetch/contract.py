"""The contract between the one fetch engine and the kinds of remote sources.

A fetcher is a function. It is told what its source held when it was last looked at, transfers only what changed, hands
each finished file over at once, so that a kill or a failure loses none of them, and returns what the source holds now.
It knows neither the store nor any stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

JSON = Any


@dataclass(frozen=True, slots=True)
class Item:
    """One file (page, object, batch of rows) of a remote source, as it lies in the store.

    Attributes:
        path: Its locator inside the source: relative, "/"-separated, without `..`; stays as long as the file does.
        url: Where it came from, for people: without credentials.
        sha256: Digest of its bytes.
        size: Bytes.
        format: What it holds, a `schemas.config.formats.FileFormat`.
        tag: What tells at the next look whether it changed: ETag, Last-Modified, size and time, …
    """

    path: str
    url: str
    sha256: str
    size: int
    format: str
    tag: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that could not be had this time. What was fetched of it before stands.

    Attributes:
        path: Locator inside the source.
        url: As of `Item`.
        reason: One of few words, to count by: `http_404`, `refused_by_robots`, `private_address`, `too_large`, …
        detail: More, for people.
        gone: The source says that it no longer exists (404, 410), rather than that it could not be reached.
    """

    path: str
    url: str
    reason: str
    detail: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one look at a source gave.

    Attributes:
        items: Everything the source holds now, unchanged items included.
        failures: What could not be had.
        state: What the fetcher wants to be told next time, such as a high-water mark.
        transferred: Files that were transferred, not found unchanged.
    """

    items: list[Item]
    failures: list[Failure] = field(default_factory=list)
    state: JSON = None
    transferred: int = 0


class Destination(Protocol):
    """Where a fetcher puts what it transfers."""

    @property
    def folder(self) -> Path:
        """Scratch. What a killed predecessor left here (half a download) is still there."""
        ...

    def keep(self, file: Path) -> tuple[str, int]:
        """Takes a finished file out of `folder` into the store; returns its sha256 and size."""
        ...

    def remember(self, item: Item) -> None:
        """Records an item whose bytes were kept, at once: a look that goes on after a kill is told of it in `known`."""
        ...

    def stopping(self) -> bool:
        """True once the run is to stop: raise `schemas.errors.Interrupted`."""
        ...

    def progress(self, done: int, total: int, unit: str) -> None:
        """Says how far the look is; cheap to call often."""
        ...


class SourceDown(Exception):
    """Nothing at all could be had of a source: it is not reached, or refuses. The engine decides what follows."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Fetcher(Protocol):
    """Looks at one source. `known` holds, by path, what it held when last looked at and whose bytes are still there."""

    def __call__(self, source: Any, known: Mapping[str, Item], state: JSON, destination: Destination) -> Fetched: ...
