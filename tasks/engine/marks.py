"""What the store remembers of an artifact beside it: that it was ever built, and whose latest it is."""

from __future__ import annotations

from schemas.manifest import Manifest
from tasks.engine.graph import Node
from tasks.engine.identity import Identity
from tasks.engine.planner import Planner
from tasks.store.refs import RefEntry, move_ref


def mark(planner: Planner, node: Node, identity: Identity, *, anew: bool) -> None:
    """Marks what was built. An older mark is kept until the newer artifact stands, so that no kill loses both."""
    static, data = planner.static_mark(node), f"data/{identity.data}"
    if planner.store.marked(static) is None:
        planner.store.mark(static, {"node": node.name})
    if anew or planner.store.marked(data) is None:
        planner.store.mark(data, {"key": identity.key})


def refer(planner: Planner, node: Node, identity: Identity, manifest: Manifest) -> None:
    """Makes an artifact the pipeline's latest of its node."""
    before = identity.predecessor
    move_ref(
        planner.store.records,
        f"{planner.graph.pipeline}/{node.name}",
        RefEntry(
            node=manifest.node,
            version=manifest.version,
            key=identity.key,
            date=identity.date,
            predecessor="" if before is None else before.version,
            predecessor_digest=str(identity.fields.get("predecessor", "")),
        ),
    )
