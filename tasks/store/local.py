"""Records and objects as files below one folder.

A record is created by hard-linking a finished temporary file to its name, which fails if the name is taken; it is
replaced by a rename under an advisory lock that the kernel releases when its holder dies. Objects are moved in under
their digest. What is durable is synced before it gets its name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from schemas.errors import StoreError
from tasks.store.records import Record, etag_of

LOCK_S = 30.0
"""A lock is held for less than a millisecond; whoever holds it longer was stopped."""


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turns the failures of a disk into errors that say what to do."""
    hints = {
        errno.ENOSPC: "free some space on this disk, or set another store",
        errno.EDQUOT: "free some of your quota, or set another store",
        errno.EROFS: "the disk is mounted read-only: mount it for writing, or set another store",
        errno.EACCES: "give this user permission to write there, or set another store",
        errno.EPERM: "give this user permission to write there, or set another store",
        errno.EEXIST: "a file lies where a folder of the store should be: set another store",
        errno.ENOTDIR: "a file lies where a folder of the store should be: set another store",
        errno.EISDIR: "a folder lies where a file of the store should be: set another store",
        errno.EIO: "the disk reports errors: check it before anything else",
    }
    try:
        yield
    except OSError as error:
        hint = hints.get(error.errno or 0)
        if hint is None:
            raise
        raise StoreError(f"the store cannot be used: {error.strerror}", where=str(path), hint=hint) from error


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_file(path: Path) -> str:
    """Returns the sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LocalRecords:
    """Records as files; see the module's docstring for how writes are made atomic."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, name: str) -> Record | None:
        path = self._path(name)
        with store_errors(path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Record(data, etag_of(data))

    def put_if_absent(self, name: str, data: bytes) -> bool:
        path = self._path(name)
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._written(path, data)
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            finally:
                temporary.unlink()
            sync_folder(path.parent)
            return True

    def put_if_match(self, name: str, data: bytes, etag: str) -> bool:
        path = self._path(name)
        with store_errors(path):
            found = self.get(name)
            if found is None or found.etag != etag:
                return False
            temporary = self._written(path, data)
            try:
                # Nothing slow happens under the lock: a process that is stopped while it holds it stops all others.
                with self._locked():
                    found = self.get(name)
                    if found is None or found.etag != etag:
                        return False
                    temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(path.parent)
            return True

    def delete(self, name: str, etag: str | None = None) -> bool:
        path = self._path(name)
        with store_errors(path), self._locked():
            found = self.get(name)
            if found is None or (etag is not None and found.etag != etag):
                return False
            path.unlink()
            return True

    def list(self, prefix: str) -> list[str]:
        start = self._path(prefix.rstrip("/"))
        found: list[str] = []
        for folder, _, names in os.walk(start):
            base = Path(folder).relative_to(self.root).as_posix()
            found.extend(f"{base}/{name}" for name in names if not name.startswith(".tmp-"))
        return sorted(found)

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise ValueError(f"{name!r} is no name inside the store")
        return self.root / parts

    def _written(self, path: Path, data: bytes) -> Path:
        temporary = path.parent / f".tmp-{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        give_up_at = time.monotonic() + LOCK_S
        with (self.root / ".lock").open("ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up_at:
                        raise StoreError(
                            f"another process has locked the store for {LOCK_S:.0f} s",
                            where=str(self.root / ".lock"),
                            hint="it may be stopped (Ctrl-Z): let it go on, or end it; its lock ends with it",
                        ) from None
                    time.sleep(0.002)
            yield


class LocalObjects:
    """File contents under `objects/ab/cdef…`, each once, by the sha256 of their bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where an object lies, whether or not it is there."""
        if len(digest) != 64 or not digest.isalnum():
            raise ValueError(f"{digest!r} is no sha256")
        return self.root / "objects" / digest[:2] / digest[2:]

    def size(self, digest: str) -> int | None:
        """Bytes of the object, or None if it is not there."""
        try:
            return self.path(digest).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def take(self, file: Path) -> tuple[str, int]:
        """Moves a finished file of the same disk into the store and returns its digest and size.

        The file's name stays usable: it becomes a link to the object.
        """
        size = file.stat().st_size
        digest = digest_file(file)
        path = self.path(digest)
        with store_errors(path):
            # Read again, because a rebuild must also mend bytes that were altered.
            if self.size(digest) == size and digest_file(path) == digest:
                return digest, size
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary = path.parent / f".tmp-{secrets.token_hex(8)}"
            try:
                os.link(file, temporary)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.copyfile(file, temporary)
            temporary.chmod(0o444)
            temporary.replace(path)
            sync_folder(path.parent)
        return digest, size

    def link(self, digest: str, target: Path) -> None:
        """Makes `target` another name of the object (a copy where the file system has no hard links)."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".tmp-{secrets.token_hex(8)}"
        try:
            os.link(self.path(digest), temporary)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                raise
            shutil.copy2(self.path(digest), temporary)
        temporary.replace(target)
        # Renaming one link of a file onto another link of the same file does nothing and leaves the source.
        temporary.unlink(missing_ok=True)

    def discard(self, digest: str) -> None:
        """Removes a damaged object."""
        self.path(digest).unlink(missing_ok=True)
