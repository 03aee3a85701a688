"""What is remembered of files may be lost or damaged at any time, and never stands in anybody's way."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from tasks.store.cache import LocalCache


def old_file(folder: Path, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_text(name)
    os.utime(path, (time.time() - 100, time.time() - 100))
    return path


def test_a_group_of_writes_is_kept(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "cache.sqlite")
    with cache.many():
        cache.put_note("a", "1")
        cache.put_note("b", "2")
    again = LocalCache(tmp_path / "cache.sqlite")
    assert (again.note("a"), again.note("b")) == ("1", "2")


def test_a_group_that_takes_long_keeps_no_other_process_waiting(tmp_path: Path) -> None:
    slow, other = LocalCache(tmp_path / "cache.sqlite"), LocalCache(tmp_path / "cache.sqlite")
    with slow.many():
        slow.digest(old_file(tmp_path))
        connection = sqlite3.connect(tmp_path / "cache.sqlite", timeout=0)
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
        other.put_note("a", "1")
    assert other.note("a") == "1"


def test_a_database_damaged_in_any_place_is_only_slower(tmp_path: Path) -> None:
    path, file = tmp_path / "cache.sqlite", old_file(tmp_path)
    whole = LocalCache(path)
    expected = whole.digest(file)
    whole._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole._connection.close()
    data = path.read_bytes()
    for start in range(0, len(data), 512):
        path.write_bytes(data[:start] + b"\xff" * 512 + data[start + 512 :])
        cache = LocalCache(path)
        with cache.many():
            assert cache.digest(file) == expected
            cache.put_note("a", "1")
        cache._connection.close()


def test_a_locked_database_is_not_taken_from_those_who_use_it(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.parent.mkdir(exist_ok=True)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    inode = path.stat().st_ino
    cache = LocalCache(path)
    cache.put_note("a", "1")
    assert cache.note("a") == "1" and path.stat().st_ino == inode
