"""Reads every byte of artifacts again, and takes what is damaged out of the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import DamagedArtifact
from schemas.manifest import FileRecord, Manifest
from tasks.store.store import Store, all_files


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged file of an artifact."""

    node: str
    version: str
    damage: str


def verify_artifacts(store: Store, manifests: Iterable[Manifest]) -> list[Damage]:
    """Compares every file with its digest, and removes damaged objects so that their artifacts count as misses."""
    states: dict[str, str] = {}
    found: list[Damage] = []
    for manifest in manifests:
        for folder, file in all_files(manifest):
            if file.digest not in states:
                states[file.digest] = _damage(store, file)
            if states[file.digest]:
                found.append(Damage(manifest.node, manifest.version, f"{folder}/{file.name} {states[file.digest]}"))
    return found


def unreadable_artifacts(store: Store) -> list[Damage]:
    """Tells which keys lead to nothing that can be read: their artifacts are not among those that are published."""
    return [Damage("", key, reason) for key, reason in store.broken_pointers()]


def _damage(store: Store, file: FileRecord) -> str:
    try:
        store.verified_path(file, anew=True)
    except DamagedArtifact as error:
        store.objects.discard(file.digest)
        return error.message.removeprefix(file.name).strip()
    return ""
