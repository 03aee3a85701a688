"""What the key of a node's artifact is made of, and which earlier state a ledger or a baseline continues.

A ledger's key is its latest state's if nothing changed since, else that of a state that continues it. A baseline's may
also be that of an earlier state, which a return to earlier inputs or settings finds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.engine.graph import Node
from tasks.store.canonical import digest_key
from tasks.store.refs import Ref, RefEntry
from tasks.store.store import Store


@dataclass(frozen=True, slots=True)
class Identity:
    """What a key is made of, and the key. `data` leaves the code out: equal data, other code, may be held."""

    key: str
    data: str
    fields: Mapping[str, Any]
    predecessor: RefEntry | None = None
    date: str = ""


def continued(
    node: Node, fields: Mapping[str, Any], ref: Ref, latest: RefEntry | None, date: str, store: Store
) -> Identity:
    """Returns the identity of a ledger or a baseline.

    Args:
        node: Which.
        fields: What its key is made of but for date and predecessor.
        ref: Its states.
        latest: The one that the pipeline's latest run had, which may not be the last.
        date: The run's, ISO.
        store: Where the states lie.
    """
    known = ref.entries[: ref.entries.index(latest) + 1] if latest is not None else []
    for state in reversed(known if node.stage.keeps_baseline else known[-1:]):
        unchanged = {**fields, "date": state.date, "predecessor": state.predecessor_digest}
        if digest_key(unchanged) == state.key:
            before = next((entry for entry in ref.entries if entry.version == state.predecessor), None)
            # What is damaged is built again from what it continued; where that is lost too, it cannot be.
            if (
                not state.predecessor_digest
                or (before is not None and _memory_digest(node, before, store) == state.predecessor_digest)
                or store.lookup(state.key).state == "hit"
            ):
                return Identity(state.key, state.key, unchanged, before, state.date)
    # A lost state is passed over, so that most of the ledger outlives it.
    before = next((entry for entry in reversed(known) if _memory_digest(node, entry, store)), None)
    digest = _memory_digest(node, before, store) if before is not None else ""
    changed = {**fields, "date": date, "predecessor": digest}
    key = digest_key(changed)
    return Identity(key, key, changed, before, date)


def _memory_digest(node: Node, entry: RefEntry, store: Store) -> str:
    """Content digest of what a state hands on; empty if the state is not whole."""
    manifest = store.manifest(entry.node, entry.version)
    if isinstance(manifest, str) or store.damage(manifest):
        return ""
    output = manifest.outputs.get(node.stage.memory or node.stage.outputs[0])
    return "" if output is None else output.digest
