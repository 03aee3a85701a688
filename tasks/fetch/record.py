"""What is remembered of a remote source: what it held when last looked at, and how the last attempt went.

Two records below `sources/<kin>-<key>`: digests of the settings that tell which files are the same, and of all that
decide what is fetched. Read by every plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

from schemas.config.source import RemoteSource
from tasks.fetch.contract import JSON, Failure, Item
from tasks.store.canonical import digest_json
from tasks.store.records import RecordStore

FORMAT = 1
KEY_DIGITS = 32
KIN_DIGITS = 16

Get = Callable[[str], bytes | None]
"""Returns a record's bytes by its name."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How the last look went.

    Attributes:
        at: When it began, ISO 8601 in UTC.
        outcome: `begun` (and not ended, or killed), `done`, or `down` (the source could not be reached).
        reason: Why it is down, in a word.
        detail: More, for people.
    """

    at: str
    outcome: Literal["begun", "done", "down"]
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source held when it was last looked at to the end.

    Attributes:
        looked_at: When, ISO 8601 in UTC.
        items: Its files, sorted by path; their bytes are objects of the store.
        failures: What could not be had.
        state: What its fetcher wants to be told next time.
    """

    looked_at: str
    items: list[Item]
    failures: list[Failure] = field(default_factory=list)
    state: JSON = None


def record_key(source: RemoteSource) -> str:
    """Returns the name under which a source is remembered: other settings of fetching are another source."""
    return f"{_kin(source)}-{digest_json(source.fetching())[:KEY_DIGITS]}"


def read_kin(records: RecordStore, source: RemoteSource) -> list[Seen]:
    """Returns what sources held that hold the same files, chosen by other settings, the latest last."""
    prefix = f"sources/{_kin(source)}-"
    keys = {name.split("/")[1] for name in records.list("sources") if name.startswith(prefix)}
    found = [read_seen(lambda name: _data(records, name), key) for key in sorted(keys)]
    return sorted((seen for seen in found if seen is not None), key=lambda seen: seen.looked_at)


def _kin(source: RemoteSource) -> str:
    return digest_json(source.kinship())[:KIN_DIGITS]


def _data(records: RecordStore, name: str) -> bytes | None:
    found = records.get(name)
    return None if found is None else found.data


def read_seen(get: Get, key: str) -> Seen | None:
    """Returns what a source held; None if it was never looked at, or nothing can be read of it."""
    try:
        data = _read(get, _seen(key))
        if data is None:
            return None
        items = [Item(*values) for values in data["items"]]
        return Seen(data["looked_at"], items, [Failure(**found) for found in data["failures"]], data["state"])
    except (ValueError, TypeError, KeyError):
        return None


def write_seen(records: RecordStore, key: str, source: RemoteSource, seen: Seen) -> None:
    """Replaces what is remembered, all at once."""
    data = {
        "format": FORMAT,
        "source": source.fetching(),
        "looked_at": seen.looked_at,
        "items": [[item.path, item.url, item.sha256, item.size, item.format, dict(item.tag)] for item in seen.items],
        "failures": [asdict(failure) for failure in seen.failures],
        "state": seen.state,
    }
    _write(records, _seen(key), data)


def read_attempt(get: Get, key: str) -> Attempt | None:
    """Returns how the last look went; None if there was none, or its record cannot be read."""
    try:
        data = _read(get, _attempt(key))
        return None if data is None else Attempt(data["at"], data["outcome"], data["reason"], data["detail"])
    except (ValueError, TypeError, KeyError):
        return None


def write_attempt(records: RecordStore, key: str, attempt: Attempt) -> None:
    """Replaces what is remembered of the last look."""
    _write(records, _attempt(key), {"format": FORMAT, **asdict(attempt)})


def _seen(key: str) -> str:
    return f"sources/{key}/seen.json"


def _attempt(key: str) -> str:
    return f"sources/{key}/attempt.json"


def _read(get: Get, name: str) -> Any:
    data = get(name)
    if data is None:
        return None
    found = orjson.loads(data)
    return found if found["format"] == FORMAT else None


def _write(records: RecordStore, name: str, value: Any) -> None:
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    while True:
        found = records.get(name)
        if found is None:
            done = records.put_if_absent(name, data)
        else:
            done = found.data == data or records.put_if_match(name, data, found.etag)
        if done:
            return
