"""What differs between what a node would be built from and its latest artifact: said to people, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.manifest import Manifest
from tasks.engine.fingerprint import Fingerprint
from tasks.engine.graph import Node
from tasks.engine.identity import Identity
from tasks.engine.stage import Look
from tasks.store.canonical import digest_json

SHOWN = 2
"""Changes that a summary names; the others it counts."""


def changes(
    node: Node,
    before: Manifest,
    settings: Mapping[str, Any],
    code: Fingerprint,
    look: Look | None,
    identity: Identity | None,
) -> tuple[str, ...]:
    """Returns what differs from an artifact, field by field; of inputs only where the identity is known."""
    found = [f"{node.name}.{path}: {old} → {new}" for path, old, new in differences(before.settings, settings)]
    if before.stage_version != node.stage.version:
        found.append(f"version of the stage: {before.stage_version} → {node.stage.version}")
    if before.code != code.digest:
        found.append("code: " + (", ".join(changed_modules(before, code)) or "changed"))
    known = look is not None and not look.held and not look.pending
    if look is not None and known and before.look != digest_json(look.identity):
        found.append("the sources changed")
    if identity is not None:
        read = {record.node + "." + record.output: record.digest for record in before.inputs}
        for name, digest in identity.fields["inputs"].items():
            wanted = node.inputs[name]
            old = read.get(f"{wanted.node}.{wanted.output}")
            if old != digest:
                found.append(f"input {wanted.node}.{wanted.output}: {(old or 'new')[:12]} → {digest[:12]}")
    return tuple(found)


def changed_modules(before: Manifest, code: Fingerprint) -> list[str]:
    """Returns the modules and data files that are not what an artifact was built with, sorted."""
    now, then = code.modules, before.code_modules
    return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))


def differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Returns (path, old, new) of every leaf in which two JSON values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[tuple[str, Any, Any]] = []
        for key in sorted(old.keys() | new.keys()):
            below = f"{path}.{key}" if path else key
            found += differences(old.get(key), new.get(key), below)
        return found
    return [] if old == new else [(path, old, new)]


def summary(found: tuple[str, ...]) -> str:
    """Returns the first changes as one line."""
    shown = "; ".join(found[:SHOWN])
    return shown + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
