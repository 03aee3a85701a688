"""Decides what is cached, what runs, what is held, and what depends on bytes not yet made.

One planner answers `plan` and `why` before a run and `decide` during it, so they cannot disagree. Its law: what it
calls cached or held is not run, what it calls run does run, and `depends` resolves to any of them once its inputs are
there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemas.errors import ConfigError
from schemas.manifest import Manifest
from tasks.engine.changes import changed_modules, changes, summary
from tasks.engine.fingerprint import Fingerprint, fingerprint
from tasks.engine.graph import Graph, Node
from tasks.engine.identity import Identity, continued
from tasks.engine.lineage import parent_of
from tasks.engine.sight import StoreSight
from tasks.engine.stage import Look
from tasks.store.canonical import digest_json, digest_key
from tasks.store.refs import RefEntry, read_ref
from tasks.store.store import Lookup, Store

KEY_FORMAT = 1

Status = Literal["cached", "run", "held", "depends"]

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a plan says of one node.

    Attributes:
        node: Its name.
        status: See the module's docstring.
        reason: Why, in a few words.
        changes: Field by field, what differs from the artifact that the pipeline's latest run had here.
        identity: Key and what it was made of; None while an input is not known.
        manifest: The artifact of a hit, or the one that holds it.
        etag: State of the pointer that a rebuild replaces.
        hint: What to do about what is held.
    """

    node: str
    status: Status
    reason: str
    changes: tuple[str, ...] = ()
    identity: Identity | None = None
    manifest: Manifest | None = None
    etag: str = ""
    hint: str = ""


class Planner:
    """Plans one run of one graph on one store. Looks at the sources once, when it is made.

    Args:
        graph: What to plan.
        store: Where artifacts lie.
        date: The run's nominal date, ISO.
        host: Class of the host that builds (`tasks.engine.host.host_class`).
        forced: Nodes to build even if they are cached or held.
        pins: The versions that references led to when the run was created; None to resolve them now.
        root: The folder that holds the project's packages, for fingerprints.
        looked: Keys of the remote sources that were looked at just now, for this plan.
    """

    def __init__(
        self,
        graph: Graph,
        store: Store,
        *,
        date: str,
        host: str,
        forced: set[str] | None = None,
        pins: Mapping[str, str] | None = None,
        root: Path = PROJECT_ROOT,
        looked: Collection[str] = (),
    ) -> None:
        self.graph = graph
        self.store = store
        self.date = date
        self.host = host
        self.forced = forced or set()
        self.root = root
        self._code: dict[str, Fingerprint] = {}
        self._settings = {name: node.config.resolved(host) for name, node in graph.nodes.items()}
        self._refs = {name: read_ref(store.records, f"{graph.pipeline}/{name}") for name in graph.nodes}
        self._pinned: dict[str, RefEntry | None] = {}
        for name, ref in self._refs.items():
            entry = ref.latest
            if pins is not None:
                entry = next((old for old in reversed(ref.entries) if old.version == pins.get(name)), None)
            self._pinned[name] = entry
        self._looks: dict[str, Look] = {}
        sight = StoreSight(store, looked)
        with store.cache.many():
            for name, node in graph.nodes.items():
                if node.stage.look is not None:
                    self._looks[name] = node.stage.look(self.settings(name), sight)

    @property
    def pins(self) -> dict[str, str]:
        """Node, or other reference that a look followed → version that it led to when the run was created."""
        followed = {name: version for look in self._looks.values() for name, version in look.pins.items()}
        return {name: entry.version for name, entry in self._pinned.items() if entry is not None} | followed

    def settings(self, name: str) -> Any:
        """Returns a node's settings with every `auto` resolved for the host."""
        return self._settings[name]

    def look(self, name: str) -> Look | None:
        """Returns what a node saw of its sources."""
        return self._looks.get(name)

    def code(self, node: Node) -> Fingerprint:
        """Returns the fingerprint of a node's code."""
        if node.module not in self._code:
            self._code[node.module] = fingerprint(node.module, self.root, self.store.cache)
        return self._code[node.module]

    def latest(self, name: str) -> Manifest | None:
        """Returns the artifact that the pipeline's latest run had for a node, if it can be read."""
        entry = self._pinned[name]
        if entry is None:
            return None
        manifest = self.store.manifest(entry.node, entry.version)
        return None if isinstance(manifest, str) else manifest

    def expects_parent(self, name: str) -> bool:
        """Tells whether a node is to go on from an artifact of an earlier date, as far as is known before it runs."""
        stage = self.graph.nodes[name].stage
        if stage.continues is None or not stage.continues(self.settings(name)) or self._pinned[name] is None:
            return False
        return any(entry.date < self.date for entry in self._refs[name].entries)

    def plan(self) -> list[Decision]:
        """Decides for every node, in the graph's order, as far as can be known before anything runs."""
        decisions: dict[str, Decision] = {}
        static_seen: set[str] = set()
        keys_seen: dict[str, str] = {}
        for name, node in self.graph.nodes.items():
            upstream = [decisions[other] for other in node.upstream]
            if self._pending(name):
                decision = Decision(name, "depends", self._pending(name), self._changes(node, None))
            elif all(other.status == "cached" for other in upstream):
                decision = self.decide(node, {other.node: _built(other) for other in upstream})
                twin = keys_seen.get(decision.identity.key) if decision.identity else None
                if decision.status == "run" and twin is not None and name not in self.forced:
                    decision = Decision(name, "depends", f"the same work as {twin}")
            else:
                decision = self._without_inputs(node, upstream, decisions, static_seen)
            decisions[name] = decision
            if decision.identity is not None and decision.status == "run":
                keys_seen[decision.identity.key] = name
            if decision.status in ("run", "depends"):
                static_seen.add(self.static_mark(node))
        return list(decisions.values())

    def decide(self, node: Node, upstream: Mapping[str, Manifest]) -> Decision:
        """Decides for a node whose inputs are all there."""
        look = self._looks.get(node.name)
        if look is not None and (look.held or look.pending):
            return Decision(node.name, "held", look.held or look.pending, hint=look.hint)
        identity = self.identify(node, upstream)
        found = self.store.lookup(identity.key)
        forced = node.name in self.forced
        if found.state == "hit" and not forced:
            return Decision(node.name, "cached", "", (), identity, found.manifest, found.etag)
        changed = self._changes(node, identity)
        if found.state == "damaged":
            return Decision(node.name, "run", f"damaged: {found.reason}", changed, identity, None, found.etag)
        if forced:
            return Decision(node.name, "run", "forced", changed, identity, None, found.etag)
        if node.stage.cost == "expensive":
            twin = self._twin(identity)
            if twin is not None and twin.manifest is not None:
                modules = ", ".join(changed_modules(twin.manifest, self.code(node))) or "its code"
                reason = f"only code changed ({modules}): accept it, or force a build"
                return Decision(node.name, "held", reason, changed, identity, twin.manifest)
        return Decision(node.name, "run", summary(changed) or "first build", changed, identity, None, found.etag)

    def identify(self, node: Node, upstream: Mapping[str, Manifest]) -> Identity:
        """Makes a node's key from its settings, its code and the content digests of what it reads."""
        fields: dict[str, Any] = {
            "format": KEY_FORMAT,
            "stage": node.stage.name,
            "version": node.stage.version,
            "settings": self.settings(node.name).identity(),
            "inputs": {
                name: upstream[wanted.node].outputs[wanted.output].digest for name, wanted in node.inputs.items()
            },
        }
        look = self._looks.get(node.name)
        if look is not None:
            fields["look"] = digest_json(look.identity)
        try:
            digest_key(fields)
        except TypeError as error:
            raise ConfigError(
                f"a setting cannot be part of a key: {error}",
                where=node.name,
                hint="settings that decide results are plain values, and name no place on this machine",
            ) from None
        code = self.code(node).digest
        if node.stage.continues is not None and node.stage.continues(self.settings(node.name)):
            return self._gone_on_from(node, fields, code)
        if not (node.stage.keeps_ledger or node.stage.keeps_baseline):
            return Identity(digest_key({**fields, "code": code}), digest_key(fields), fields, date=self.date)
        name = node.name
        return continued(node, {**fields, "code": code}, self._refs[name], self._pinned[name], self.date, self.store)

    def _gone_on_from(self, node: Node, fields: dict[str, Any], code: str) -> Identity:
        latest = self._pinned[node.name]
        entries = self._refs[node.name].entries
        known = entries[: entries.index(latest) + 1] if latest is not None else []
        forced = node.name in self.forced
        parent = parent_of(fields, code, known, self.date, self.store, forced=forced)
        data = {**fields, "predecessor": parent.digest}
        return Identity(digest_key({**data, "code": code}), digest_key(data), data, parent.entry, self.date)

    def static_mark(self, node: Node) -> str:
        """Name of the mark that says: this stage was built with these settings before, whatever its inputs were."""
        fields = {
            "stage": node.stage.name,
            "version": node.stage.version,
            "settings": self.settings(node.name).identity(),
        }
        if node.stage.cost == "cheap":
            fields["code"] = self.code(node).digest
        return f"static/{digest_key(fields)}"

    def _without_inputs(
        self, node: Node, upstream: list[Decision], decisions: Mapping[str, Decision], static_seen: set[str]
    ) -> Decision:
        held = next((other for other in upstream if other.status == "held"), None)
        if held is not None:
            return Decision(node.name, "held", f"waits for {held.node}, which is held")
        unknown = next(other for other in upstream if other.status != "cached")
        changed = self._changes(node, None)
        if node.name in self.forced:
            may_be_blocked = self._may_be_held_above(node, decisions)
            return Decision(node.name, "depends" if may_be_blocked else "run", "forced", changed)
        mark = self.static_mark(node)
        if mark not in static_seen and self.store.marked(mark) is None and not self._may_be_held_above(node, decisions):
            reason = summary(changed) or f"first build, after {unknown.node}"
            return Decision(node.name, "run", reason, changed)
        return Decision(node.name, "depends", f"on the bytes that {unknown.node} will make", changed)

    def _may_be_held_above(self, node: Node, decisions: Mapping[str, Decision]) -> bool:
        return any(
            decisions[name].status == "depends"
            and (self.graph.nodes[name].stage.cost == "expensive" or bool(self._pending(name)))
            for name in self.graph.ancestors(node.name)
        )

    def _pending(self, name: str) -> str:
        """Why a node's sources are not known yet; empty if they are."""
        look = self._looks.get(name)
        return "" if look is None or look.held else look.pending

    def _twin(self, identity: Identity) -> Lookup | None:
        """The whole artifact that equal inputs and settings gave with other code, if there is one."""
        mark = self.store.marked(f"data/{identity.data}")
        if mark is None:
            return None
        found = self.store.lookup(str(mark.get("key", "")))
        return found if found.state == "hit" else None

    def _changes(self, node: Node, identity: Identity | None) -> tuple[str, ...]:
        """What differs from the artifact of the pipeline's latest run, field by field."""
        before = self.latest(node.name)
        if before is None:
            return ()
        settings = self.settings(node.name).identity()
        return changes(node, before, settings, self.code(node), self._looks.get(node.name), identity)


def _built(decision: Decision) -> Manifest:
    if decision.manifest is None:
        raise AssertionError(f"{decision.node} is cached without a manifest")
    return decision.manifest
