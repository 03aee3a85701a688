"""The store: what is published, what a key points to, and whether it is still whole.

Publishing writes objects first, the manifest next and the key's pointer last: killed anywhere, nothing half-made is
visible, and a manifest that no pointer leads to does not exist. Nothing published is ever rewritten; a rebuild gets a
new version and swaps the pointer.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from schemas.errors import DamagedArtifact, StoreError
from schemas.manifest import MANIFEST_FORMAT, FileRecord, Manifest, OutputRecord
from tasks.store.cache import LocalCache
from tasks.store.canonical import canonical_json, digest_json
from tasks.store.local import LocalObjects, LocalRecords, digest_file, store_errors
from tasks.store.records import RecordStore

STORE_FORMAT = 1


class ObjectStore(Protocol):
    """Bulk bytes by their sha256."""

    def path(self, digest: str) -> Path: ...
    def size(self, digest: str) -> int | None: ...
    def take(self, file: Path) -> tuple[str, int]: ...
    def link(self, digest: str, target: Path) -> None: ...
    def discard(self, digest: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a key leads to.

    Attributes:
        state: `hit` if the artifact is there and looks whole; `absent`; `damaged` with the reason.
        manifest: Of the hit, or of what is damaged if it can still be read.
        etag: State of the pointer, to be swapped by a rebuild; empty if there is none.
        version: What the pointer names, if it can be read.
    """

    state: Literal["hit", "absent", "damaged"]
    reason: str = ""
    manifest: Manifest | None = None
    etag: str = ""
    version: str = ""


def content_digest(files: Iterable[FileRecord]) -> str:
    """Returns the digest of an output: of its files' names and bytes, nothing else."""
    return digest_json(sorted([file.name, file.digest] for file in files))


def new_version(key: str) -> str:
    """Returns a unique, sortable name for a build: UTC time, 12 digits of the key, 4 random ones."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{key[:12]}-{secrets.token_hex(2)}"


class Store:
    """Artifacts on top of small records and bulk objects."""

    def __init__(self, root: Path, records: RecordStore, objects: ObjectStore, cache: LocalCache) -> None:
        self.root = root
        self.records = records
        self.objects = objects
        self.cache = cache

    @classmethod
    def open(cls, root: Path, *, create: bool = True) -> Store:
        """Opens a store in a local folder, made if need be.

        Raises:
            StoreError: It cannot be written, or another version of Nightmill wrote it.
        """
        root = root.absolute()
        with store_errors(root):
            if create:
                root.mkdir(parents=True, exist_ok=True)
            records = LocalRecords(root)
            marker = records.get("store.json")
            if marker is None and create:
                records.put_if_absent("store.json", canonical_json({"format": STORE_FORMAT}))
            elif marker is not None:
                try:
                    found = json.loads(marker.data).get("format")
                except (ValueError, AttributeError):
                    found = None
                if found != STORE_FORMAT:
                    raise StoreError(
                        f"the store has format {found}, this Nightmill reads format {STORE_FORMAT}",
                        where=str(root / "store.json"),
                        hint="use the version of Nightmill that wrote it, or set another store",
                    )
        return cls(root, records, LocalObjects(root), LocalCache(root / "cache" / "local.sqlite" if create else None))

    # -- keys and manifests --------------------------------------------------------------------------------------

    def lookup(self, key: str) -> Lookup:
        """Says what a key leads to, after checking that every file is there with its size."""
        record = self.records.get(f"keys/{key}")
        if record is None:
            return Lookup("absent")
        try:
            pointer = json.loads(record.data)
            node, version, digest = str(pointer["node"]), str(pointer["version"]), str(pointer.get("manifest", ""))
            manifest = self.manifest(node, version, digest)
        except (ValueError, KeyError, TypeError):
            return Lookup("damaged", "its pointer cannot be read", None, record.etag)
        if isinstance(manifest, str):
            return Lookup("damaged", manifest, None, record.etag, version)
        damage = self.damage(manifest)
        if damage:
            return Lookup("damaged", damage, manifest, record.etag, version)
        return Lookup("hit", "", manifest, record.etag, version)

    def manifest(self, node: str, version: str, digest: str = "") -> Manifest | str:
        """Returns a manifest, or why it cannot be had; `digest` is that of its bytes, where it is known."""
        try:
            record = self.records.get(f"artifacts/{node}/{version}/manifest.json")
        except ValueError:
            return f"{node!r} {version!r} is no artifact of this store"
        if record is None:
            return f"the manifest of {node} {version} is missing"
        if digest and hashlib.sha256(record.data).hexdigest() != digest:
            return f"the manifest of {node} {version} does not have the bytes it was stored with"
        try:
            data = json.loads(record.data)
            if data.get("format") != MANIFEST_FORMAT:
                return f"the manifest of {node} {version} has format {data.get('format')}, not {MANIFEST_FORMAT}"
            return Manifest.model_validate(data)
        except (ValueError, AttributeError, ValidationError):
            return f"the manifest of {node} {version} cannot be read"

    def damage(self, manifest: Manifest) -> str:
        """Returns what is missing or has the wrong size, or an empty string; puts lost links of the view back."""
        found = []
        for folder, file in all_files(manifest):
            size = self.objects.size(file.digest)
            if size is None:
                found.append(f"{folder}/{file.name} is missing")
            elif size != file.size:
                found.append(f"{folder}/{file.name} has {size} bytes instead of {file.size}")
            else:
                self._repair_view(manifest, folder, file)
        return ", ".join(found[:3]) + (f" and {len(found) - 3} more files are damaged" if len(found) > 3 else "")

    def publish(self, manifest: Manifest, replaces: str = "") -> tuple[Manifest, bool]:
        """Makes an artifact visible. All of its objects must be stored already.

        Args:
            manifest: What was built.
            replaces: State of the pointer that a rebuild swaps; empty to create it.

        Returns:
            The manifest that the key leads to now, and whether it is the one given: another builder may have won.
        """
        data = manifest.model_dump_json(indent=1).encode()
        self.records.put_if_absent(_manifest_name(manifest), data)
        for folder, file in all_files(manifest):
            self._repair_view(manifest, folder, file)
        pointer = _pointer(manifest, data)
        if replaces:
            won = self.records.put_if_match(f"keys/{manifest.key}", pointer, replaces)
        else:
            won = self.records.put_if_absent(f"keys/{manifest.key}", pointer)
        if won:
            return manifest, True
        found = self.lookup(manifest.key)
        if found.state == "hit" and found.manifest is not None:
            self._forget(manifest)
            return found.manifest, False
        if found.etag != replaces:
            return self.publish(manifest, found.etag)
        raise StoreError(
            f"the pointer of {manifest.node} could not be set: {found.reason or 'it changes all the time'}",
            where=f"keys/{manifest.key}",
            hint="run again",
        )

    def point(self, key: str, manifest: Manifest, **record: str) -> bool:
        """Lets a further key lead to an artifact that stands (an accepted code change)."""
        stored = self.records.get(_manifest_name(manifest))
        if stored is None:
            raise DamagedArtifact(f"the manifest of {manifest.node} {manifest.version} is missing")
        pointer = _pointer(manifest, stored.data, **record)
        found = self.records.get(f"keys/{key}")
        if found is None:
            return self.records.put_if_absent(f"keys/{key}", pointer)
        return self.records.put_if_match(f"keys/{key}", pointer, found.etag)

    def published(self) -> Iterator[Manifest]:
        """Yields every artifact that a key leads to and whose manifest can be read, oldest first."""
        found = {}
        for name in self.records.list("keys"):
            manifest = self._pointed_at(name)
            if isinstance(manifest, Manifest):
                found[manifest.version, manifest.node] = manifest
        for _, manifest in sorted(found.items()):
            yield manifest

    def broken_pointers(self) -> Iterator[tuple[str, str]]:
        """Yields the keys that lead to nothing that can be read, and why."""
        for name in self.records.list("keys"):
            manifest = self._pointed_at(name)
            if isinstance(manifest, str):
                yield name.removeprefix("keys/"), manifest

    def _pointed_at(self, name: str) -> Manifest | str:
        record = self.records.get(name)
        try:
            pointer = json.loads(record.data) if record else {}
            return self.manifest(str(pointer["node"]), str(pointer["version"]), str(pointer.get("manifest", "")))
        except (ValueError, KeyError, TypeError):
            return "its pointer cannot be read"

    # -- marks: what was ever built, without its inputs -------------------------------------------------------------

    def mark(self, name: str, value: dict[str, Any]) -> None:
        """Sets a small mark, replacing an older one."""
        data = canonical_json(value)
        found = self.records.get(f"marks/{name}")
        if found is None:
            self.records.put_if_absent(f"marks/{name}", data)
        elif found.data != data:
            self.records.put_if_match(f"marks/{name}", data, found.etag)

    def marked(self, name: str) -> dict[str, Any] | None:
        """Returns a mark's value, or None."""
        record = self.records.get(f"marks/{name}")
        if record is None:
            return None
        try:
            value = json.loads(record.data)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    # -- bytes ----------------------------------------------------------------------------------------------------

    def verified_path(self, file: FileRecord, *, anew: bool = False) -> Path:
        """Returns a local path of a file's bytes, checked against the digest once per state of the file.

        Args:
            file: What to read.
            anew: Whether to read the bytes again whatever is remembered of them.

        Raises:
            DamagedArtifact: The bytes are gone or altered; `where` is the digest.
        """
        path = self.objects.path(file.digest)
        try:
            status = path.stat()
        except FileNotFoundError:
            raise DamagedArtifact(f"{file.name} is missing", where=file.digest) from None
        if status.st_size != file.size:
            raise DamagedArtifact(f"{file.name} has {status.st_size} bytes, not {file.size}", where=file.digest)
        if anew or not self.cache.is_verified(path, status):
            if digest_file(path) != file.digest:
                raise DamagedArtifact(f"{file.name} does not have the bytes it was stored with", where=file.digest)
            self.cache.set_verified(path, status)
        return path

    def is_sound(self, digest: str) -> bool:
        """Reads an object again, whatever is remembered of it: True if it is there with the right bytes."""
        try:
            return digest_file(self.objects.path(digest)) == digest
        except (FileNotFoundError, NotADirectoryError):
            return False

    def view(self, manifest: Manifest, output: str) -> Path:
        """Returns the folder that shows an output's files under their names."""
        for file in manifest.outputs[output].files:
            self._repair_view(manifest, output, file)
        return self._view_folder(manifest) / output

    def _view_folder(self, manifest: Manifest) -> Path:
        return self.root / "artifacts" / manifest.node / manifest.version

    def _repair_view(self, manifest: Manifest, folder: str, file: FileRecord) -> None:
        target = self._view_folder(manifest) / folder / file.name
        source = self.objects.path(file.digest)
        with store_errors(target):
            try:
                seen, stored = target.stat(), source.stat()
                # Without hard links a view is a copy that keeps the object's time.
                copied = seen.st_nlink == 1 and seen.st_size == file.size and seen.st_mtime_ns == stored.st_mtime_ns
                if seen.st_ino == stored.st_ino or copied:
                    return
            except (FileNotFoundError, NotADirectoryError):
                pass
            try:
                self.objects.link(file.digest, target)
            except FileNotFoundError:
                raise DamagedArtifact(f"{file.name} is missing", where=file.digest) from None

    def _forget(self, manifest: Manifest) -> None:
        shutil.rmtree(self._view_folder(manifest), ignore_errors=True)


def _manifest_name(manifest: Manifest) -> str:
    return f"artifacts/{manifest.node}/{manifest.version}/manifest.json"


def _pointer(manifest: Manifest, data: bytes, **record: str) -> bytes:
    """A pointer states the digest of the manifest's bytes, as the manifest states those of the files."""
    digest = hashlib.sha256(data).hexdigest()
    return canonical_json({"node": manifest.node, "version": manifest.version, "manifest": digest, **record})


def all_files(manifest: Manifest) -> Iterator[tuple[str, FileRecord]]:
    """Yields every file of an artifact with the folder of the view it lies in."""
    for name, output in manifest.outputs.items():
        for file in output.files:
            yield name, file
    for file in manifest.diagnostics:
        yield "diagnostics", file


def output_record(files: Iterable[FileRecord]) -> OutputRecord:
    """Returns the record of an output with its files in order of their names."""
    ordered = sorted(files, key=lambda file: file.name)
    return OutputRecord(digest=content_digest(ordered), files=ordered)
