"""What this machine remembers so as not to read files twice: digests by inode, size and modification time.

Nothing here is part of an artifact; the file may be deleted at any time. A file changed within the last second or so is
not remembered, because a second change could leave size and time as they are.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.store.local import digest_file

SETTLED_S = 2.0
"""Files changed more recently than this are read again next time."""

GROUP_S = 1.0
"""Writes of a group are kept back for so long."""

_TABLES = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, inode INT, size INT, mtime INT, digest TEXT);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT);
"""


class LocalCache:
    """A small SQLite file; where it cannot be written, everything still works, only slower."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._connection = self._opened(path)
        self._grouping = 0
        self._waiting: list[tuple[str, tuple[object, ...]]] = []
        self._written_at = 0.0

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            for _ in range(2):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    connection = sqlite3.connect(path, timeout=5, check_same_thread=False, isolation_level=None)
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=OFF")
                    connection.executescript(_TABLES)
                    return connection
                except sqlite3.OperationalError:
                    break  # Locked, or not to be written: others may be using it.
                except sqlite3.DatabaseError:
                    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                        with contextlib.suppress(OSError):
                            path.with_name(name).unlink()
                except OSError:
                    break
        connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        connection.executescript(_TABLES)
        return connection

    def digest(self, path: Path) -> str:
        """Returns the sha256 (hex) of a file, read only if it changed since the last time."""
        status = path.stat()
        known = self._query(
            "SELECT digest FROM files WHERE path=? AND inode=? AND size=? AND mtime=?",
            (str(path), status.st_ino, status.st_size, status.st_mtime_ns),
        )
        if known is not None:
            return known
        found = digest_file(path)
        after = path.stat()
        unchanged = (after.st_ino, after.st_size, after.st_mtime_ns) == (
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
        )
        if unchanged and time.time() - status.st_mtime > SETTLED_S:
            self._execute(
                "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?)",
                (str(path), status.st_ino, status.st_size, status.st_mtime_ns, found),
            )
        return found

    def note(self, key: str) -> str | None:
        """Returns what was noted under a key that determines its value."""
        return self._query("SELECT value FROM notes WHERE key=?", (key,))

    def put_note(self, key: str, value: str) -> None:
        """Notes a value that follows from its key."""
        self._execute("INSERT OR REPLACE INTO notes VALUES (?,?)", (key, value))

    def is_verified(self, path: Path, status: os.stat_result) -> bool:
        """True if this very file was found to hold the right bytes, and was not touched since."""
        known = self._query(
            "SELECT digest FROM files WHERE path=? AND inode=? AND size=? AND mtime=?",
            (f"object:{path}", status.st_ino, status.st_size, status.st_mtime_ns),
        )
        return known is not None

    def set_verified(self, path: Path, status: os.stat_result) -> None:
        """Remembers that a file holds the right bytes."""
        self._execute(
            "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?)",
            (f"object:{path}", status.st_ino, status.st_size, status.st_mtime_ns, "verified"),
        )

    @contextlib.contextmanager
    def many(self) -> Iterator[None]:
        """Groups writes: other processes are kept waiting for moments only, and little is lost to a kill."""
        with self._lock:
            self._grouping += 1
        try:
            yield
        finally:
            with self._lock:
                self._grouping -= 1
                self._write()

    def _query(self, statement: str, values: tuple[object, ...]) -> str | None:
        with self._lock:
            try:
                row = self._connection.execute(statement, values).fetchone()
            except sqlite3.DatabaseError:
                return None
        return None if row is None else str(row[0])

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock:
            self._waiting.append((statement, values))
            if not self._grouping or time.monotonic() - self._written_at > GROUP_S:
                self._write()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._written_at = time.monotonic()
        with contextlib.suppress(sqlite3.DatabaseError):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in waiting:
                    self._connection.execute(statement, values)
            finally:
                self._connection.execute("COMMIT")
