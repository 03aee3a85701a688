"""Which earlier artifact of its own a node goes on from, such as tonight's model from yesterday's.

The parent is the node's latest whole artifact of a date before the run's: so a night that is run again never goes on
from itself. Where nothing but the date changed since the latest artifact, its own parent is the parent again, and so
its key: a night that brings nothing new trains nothing, and a change of code alone holds as it does elsewhere.

Unlike a ledger's, the key holds no date: only what the parent's outputs hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.store.canonical import digest_json, digest_key
from tasks.store.refs import RefEntry
from tasks.store.store import Store


class Parent(NamedTuple):
    """What a node goes on from.

    Attributes:
        entry: The parent's place in the node's reference; None where there is none, or it is no longer there.
        digest: Of the content of its outputs; empty where there never was one.
    """

    entry: RefEntry | None
    digest: str


def parent_of(
    fields: Mapping[str, Any], code: str, known: Sequence[RefEntry], date: str, store: Store, *, forced: bool
) -> Parent:
    """Chooses the parent of a node's next artifact.

    Args:
        fields: What the node's key is made of but for code and parent.
        code: Fingerprint of its code.
        known: Its artifacts as of when the run was created, newest last.
        date: The run's nominal date, ISO.
        store: Where they lie.
        forced: Whether it is built even if it is there: then its parent must be there too.
    """
    if known and _is_same_work(known[-1], fields, code, store):
        latest = known[-1]
        before = next((entry for entry in known if entry.version == latest.predecessor), None)
        whole = before is not None and content_of(before, store) == latest.predecessor_digest
        needed = forced or store.lookup(latest.key).state != "hit"
        if not latest.predecessor_digest or whole or not needed:
            return Parent(before if whole else None, latest.predecessor_digest)
    for entry in reversed(known):
        digest = content_of(entry, store) if entry.date < date else ""
        if digest:
            return Parent(entry, digest)
    return Parent(None, "")


def content_of(entry: RefEntry, store: Store) -> str:
    """Returns a digest of all that an artifact's outputs hold; empty if it is not whole."""
    manifest = store.manifest(entry.node, entry.version)
    if isinstance(manifest, str) or store.damage(manifest):
        return ""
    return digest_json({name: output.digest for name, output in manifest.outputs.items()})


def _is_same_work(latest: RefEntry, fields: Mapping[str, Any], code: str, store: Store) -> bool:
    """Tells whether the latest artifact was made from the same inputs and settings, by this code or by another."""
    data = {**fields, "predecessor": latest.predecessor_digest}
    if digest_key({**data, "code": code}) == latest.key:
        return True
    mark = store.marked(f"data/{digest_key(data)}")
    return mark is not None and mark.get("key") == latest.key
