"""What looks see through a store; see `tasks.engine.stage.Sight`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tasks.store.store import Store


class StoreSight:
    """Implements `Sight`.

    Args:
        store: What is looked through.
        looked: Keys of the remote sources that this command has looked at.
    """

    def __init__(self, store: Store, looked: Collection[str] = ()) -> None:
        self._store = store
        self._looked = looked

    def digest(self, path: Path) -> str:
        return self._store.cache.digest(path)

    def record(self, name: str) -> bytes | None:
        found = self._store.records.get(name)
        return None if found is None else found.data

    def holds(self, digest: str, size: int) -> bool:
        return self._store.objects.size(digest) == size

    def has_looked(self, key: str) -> bool:
        return key in self._looked
