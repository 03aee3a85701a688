"""The protocol for small records: pointers, manifests, leases, references and run records.

Everything that must be atomic in the store is one of five operations, so that a store on a file system and one on an
object store with conditional puts behave alike. One conformance suite tests every implementation.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A record's bytes and the tag of this state of it."""

    data: bytes
    etag: str


def etag_of(data: bytes) -> str:
    """Returns the tag of a record's state. Equal bytes have equal tags: writers that race must write unequal ones."""
    return hashlib.sha256(data).hexdigest()[:32]


class RecordStore(Protocol):
    """Small records under "/"-separated names. Every write is atomic: a reader sees all of it or nothing."""

    def get(self, name: str) -> Record | None:
        """Returns the record, or None if there is none."""
        ...

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Creates a record; False, and nothing changed, if there is one."""
        ...

    def put_if_match(self, name: str, data: bytes, etag: str) -> bool:
        """Replaces a record whose state is `etag`; False, and nothing changed, if it is gone or in another state."""
        ...

    def delete(self, name: str, etag: str | None = None) -> bool:
        """Removes a record (only in the state `etag`, if given); False if there was none to remove."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Returns the names that begin with `prefix` and end a path component there, sorted."""
        ...


class MemoryRecords:
    """Records in a dictionary, for tests."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Record | None:
        data = self._records.get(name)
        return None if data is None else Record(data, etag_of(data))

    def put_if_absent(self, name: str, data: bytes) -> bool:
        with self._lock:
            if name in self._records:
                return False
            self._records[name] = data
            return True

    def put_if_match(self, name: str, data: bytes, etag: str) -> bool:
        with self._lock:
            if name not in self._records or etag_of(self._records[name]) != etag:
                return False
            self._records[name] = data
            return True

    def delete(self, name: str, etag: str | None = None) -> bool:
        with self._lock:
            if name not in self._records or (etag is not None and etag_of(self._records[name]) != etag):
                return False
            del self._records[name]
            return True

    def list(self, prefix: str) -> list[str]:
        folder = prefix.rstrip("/") + "/"
        return sorted(name for name in self._records if name.startswith(folder))
