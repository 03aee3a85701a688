"""One look at one remote source, in this process: only what changed is transferred, nothing that was had is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from schemas.config.source import RemoteSource
from schemas.errors import NightmillError, StageFailed
from tasks.fetch.contract import Failure, Fetched, Fetcher, Item, SourceDown
from tasks.fetch.destination import Progress, StoreDestination, remembered
from tasks.fetch.kinds import fetcher_of
from tasks.fetch.record import Attempt, Seen, read_attempt, read_kin, read_seen, record_key, write_attempt, write_seen
from tasks.fetch.secrets import blot_out_all, redacted
from tasks.store.store import Store

UNLISTED = "list_incomplete"
"""Says of what is known that it may or may not have left the source."""

MAX_DETAIL = 300
"""Characters that are kept of what a library says of a failure."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a look.

    Attributes:
        outcome: `done`, or `down`: what was fetched before it went down is kept for the next look.
        items: Files that the source holds.
        failures: Files that could not be had.
        transferred: Files that were transferred this time.
        reason: Why it is down.
        detail: More, for people.
    """

    outcome: Literal["done", "down"]
    items: int = 0
    failures: int = 0
    transferred: int = 0
    reason: str = ""
    detail: str = ""


def take_look(
    name: str,
    source: RemoteSource,
    store: Store,
    *,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda done, total, unit: None,
    fetch: Fetcher | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Looked:
    """Looks at a source and remembers what it holds.

    Raises:
        NightmillError: A setting cannot be used, the look was stopped, or the store cannot be written. What was fetched
            is kept all the same.
    """
    key = record_key(source)
    folder = look_folder(store, key)
    before = read_seen(store_get(store), key)
    own = _known(store, [before] if before is not None else [], folder)
    kin = _known(store, read_kin(store.records, source), folder) if before is None else {}
    blot_out_all(source.model_dump(mode="json"))
    at = now().isoformat(timespec="seconds")
    write_attempt(store.records, key, Attempt(at, "begun"))
    destination = StoreDestination(store, folder, stopping=stopping, progress=progress)
    try:
        state = None if before is None else before.state
        fetched = (fetch or fetcher_of(source))(source, {**kin, **own}, state, destination)
        seen = _checked(name, fetched, own, store, at)
        if before is not None and before.items and not seen.items and not seen.failures:
            # An empty bucket is an unmounted disk or a wrong prefix more often than the end of a source.
            raise SourceDown(
                "empty", f"it held {len(before.items)} files; take it out of the configuration if that is meant"
            )
    except SourceDown as down:
        detail = _shown(down.detail)[:MAX_DETAIL]
        write_attempt(store.records, key, Attempt(at, "down", down.reason, detail))
        return Looked("down", reason=down.reason, detail=detail)
    except NightmillError as error:
        error.message, error.where = redacted(error.message), redacted(error.where)
        error.details = [redacted(line) for line in error.details]
        raise
    write_seen(store.records, key, source, seen)
    write_attempt(store.records, key, Attempt(at, "done"))
    destination.clear()
    return Looked("done", len(seen.items), len(seen.failures), fetched.transferred)


def look_folder(store: Store, key: str) -> Path:
    """Where a look works; what a killed one left there is gone on with."""
    return store.root / "work" / f"source-{key}"


def store_get(store: Store) -> Callable[[str], bytes | None]:
    """Returns a function that reads records of a store."""

    def get(name: str) -> bytes | None:
        found = store.records.get(name)
        return None if found is None else found.data

    return get


def record_down(store: Store, source: RemoteSource, reason: str, detail: str) -> Looked:
    """Remembers that a look ended without an answer, such as by its process being killed."""
    key = record_key(source)
    attempt = read_attempt(store_get(store), key)
    at = attempt.at if attempt is not None else datetime.now(UTC).isoformat(timespec="seconds")
    write_attempt(store.records, key, Attempt(at, "down", reason, detail))
    return Looked("down", reason=reason, detail=detail)


def _known(store: Store, looks: Iterable[Seen], folder: Path) -> dict[str, Item]:
    """What was had already, by path, and whose bytes are there; what an unfinished look brought is newer."""
    items = [*(item for seen in looks for item in seen.items), *remembered(folder)]
    return {item.path: item for item in items if _holds(store, item)}


def _holds(store: Store, item: Item) -> bool:
    try:
        return store.objects.size(item.sha256) == item.size
    except (ValueError, AttributeError, TypeError):  # A journal or record that somebody edited.
        return False


def _checked(name: str, fetched: Fetched, known: Mapping[str, Item], store: Store, at: str) -> Seen:
    """What a fetcher returned, in order: what it could not reach this time stands, names are names inside the source.

    Raises:
        StageFailed: The fetcher has a defect.
    """
    items: dict[str, Item] = {}
    for item in fetched.items:
        if item.path in items or not _is_inside(item.path) or not _holds(store, item):
            raise StageFailed(f"its fetcher returned {item.path!r}, which it must not", where=name, hint="a defect")
        items[item.path] = replace(item, url=redacted(item.url))
    failures: dict[str, Failure] = {}
    for failure in fetched.failures:
        if not failure.gone and failure.path in known:
            items.setdefault(failure.path, known[failure.path])
        elif failure.reason == UNLISTED and failure.path not in items:
            continue  # Another source of its kin had it: of this one that says nothing.
        failures[failure.path] = replace(failure, url=_shown(failure.url), detail=_shown(failure.detail)[:MAX_DETAIL])
    return Seen(
        at, [items[path] for path in sorted(items)], [failures[path] for path in sorted(failures)], fetched.state
    )


def _shown(text: str) -> str:
    return redacted(text).encode("utf-8", "backslashreplace").decode()


def _is_inside(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return bool(path) and not path.startswith("/") and not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
