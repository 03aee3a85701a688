"""Carries out a plan: one node at a time or several side by side, each built once whoever asks.

plan → lease → look again → child process → check → publish → reference. The runner knows neither Prefect nor any stage;
`flows` hands it the graph and submits `Run.execute` for each node, in threads or as Prefect tasks.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.errors import DamagedArtifact, Held, Interrupted, NightmillError, StageFailed, StoreError
from schemas.manifest import Manifest, RunRecord, StageOutcome
from tasks.engine.building import Build, bring_forward, check, manifest_of, specification
from tasks.engine.graph import Graph, Node
from tasks.engine.launcher import Launcher, ProcessLauncher
from tasks.engine.listener import Listener, Lossy, Silence
from tasks.engine.marks import mark, refer
from tasks.engine.planner import Decision, Planner
from tasks.engine.run_log import RunLog, describe, now
from tasks.store.leases import Lease, acquire, this_process
from tasks.store.local import store_errors
from tasks.store.store import Store

REBUILDS = 2
"""How often a stage whose input turns out to be damaged is tried again after the input was rebuilt."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Where a node is built, by which launcher, and what the builder may use."""

    threads: int = 1
    workers: int = 1
    placement: str = "here"
    launcher: Launcher | None = None


class Run:
    """One run of a graph: what it pinned, and what became of each node.

    Args:
        planner: Plans and decides; holds graph, store and pins.
        config_file: Name of the configuration, for the record.
        settings: The pipeline's whole identity configuration, for the record.
        selected: Nodes that may be built; the others must be cached.
        resources: What each node's builder may use.
        parallel: Builders at a time.
        listener: Is told what happens.
        launcher: Starts builders of nodes whose resources name none.
        command: What the user typed, for the record.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        config_file: str = "",
        settings: dict[str, Any] | None = None,
        selected: set[str] | None = None,
        resources: Mapping[str, Resources] | None = None,
        parallel: int = 2,
        listener: Listener | None = None,
        launcher: Launcher | None = None,
        command: str = "",
        flow_run: str = "",
    ) -> None:
        self.planner = planner
        self.graph: Graph = planner.graph
        self.store: Store = planner.store
        self.selected = set(self.graph.nodes) if selected is None else selected
        self._resources = resources or {}
        self._slots = threading.BoundedSemaphore(parallel)
        self.listener = Lossy(listener or Silence())
        self.stop = threading.Event()
        self._launcher: Launcher = launcher or ProcessLauncher()
        self._manifests: dict[str, Manifest] = {}
        self._forced_done: set[str] = set()
        self._lock = threading.Lock()
        self._rebuilding = threading.RLock()
        record = RunRecord(
            run=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
            pipeline=self.graph.pipeline,
            config_file=config_file,
            settings=settings or {},
            date=planner.date,
            started=now(),
            command=command,
            flow_run=flow_run,
            pins=planner.pins,
            process=this_process(),
            stages=[StageOutcome(node=name, stage=node.stage.name) for name, node in self.graph.nodes.items()],
        )
        self.log = RunLog(record, self.store.records)

    def resources(self, name: str) -> Resources:
        """Where and with what a node is built."""
        return self._resources.get(name, Resources())

    # -- one node ---------------------------------------------------------------------------------------------------

    def execute(self, name: str) -> StageOutcome:
        """Brings one node's artifact about; its upstream nodes must have been executed. Never raises for the user."""
        node = self.graph.nodes[name]
        outcome = self.log.outcome(name)
        started = time.monotonic()
        try:
            with store_errors(self.store.root):
                self._execute(node, outcome)
            self._repeat_warnings(name, outcome)
        except NightmillError as error:
            self.log.failed(outcome, error)
        except Exception as error:
            # A defect of the engine must still end as one outcome among others, or the flow would never finish.
            failure = StageFailed(f"{type(error).__name__}: {error}", where=name, hint="this is a defect: report it")
            failure.__cause__ = error
            self.log.failed(outcome, failure)
        if outcome.outcome in ("failed", "interrupted") and not outcome.seconds:
            outcome.seconds = time.monotonic() - started
        try:
            self.log.save()
        except StoreError as error:
            self.listener.warned(name, f"the run's record could not be saved: {error.message}")
        self.listener.finished(outcome)
        return outcome

    def _repeat_warnings(self, name: str, outcome: StageOutcome) -> None:
        """Says what the look warns of, also where what it saw was built long ago."""
        look = self.planner.look(name)
        for warning in look.warnings if look is not None and outcome.outcome != "skipped" else ():
            self.listener.warned(name, warning)
            outcome.warnings = [*outcome.warnings, warning]

    def _execute(self, node: Node, outcome: StageOutcome) -> None:
        if node.name not in self.selected and not self.graph.descendants(node.name) & self.selected:
            outcome.outcome, outcome.reason = "skipped", "not selected"
            return
        blocker = next((other for other in node.upstream if other not in self._manifests), None)
        if blocker is not None:
            self.log.blocked(outcome, blocker)
        elif self.stop.is_set():
            raise Interrupted("stopped before it began", where=node.name)
        else:
            self._bring_about(node, outcome)

    def _bring_about(self, node: Node, outcome: StageOutcome) -> None:
        for attempt in range(REBUILDS + 1):
            try:
                self._reach(node, outcome)
                return
            except DamagedArtifact as error:
                if attempt == REBUILDS or not self._rebuild_inputs(node, error):
                    raise

    def _reach(self, node: Node, outcome: StageOutcome) -> None:
        """Uses what is cached, or builds."""
        decision = self._decide(node)
        if decision.status == "held":
            raise Held(
                decision.reason,
                where=node.name,
                hint=decision.hint
                or f"`nightmill accept CONFIG {node.name}` keeps the artifact; `--force {node.name}` builds anew",
            )
        if decision.status == "cached":
            self._settle(node, decision, outcome)
            return
        if node.name not in self.selected:
            raise StageFailed(
                f"is not built, and not among the stages to run: {decision.reason}",
                where=node.name,
                hint="run it too, or without --only and --from",
            )
        assert decision.identity is not None
        self.listener.started(node.name, decision.reason)
        outcome.outcome, outcome.reason = "running", decision.reason
        self.log.save()
        lease = acquire(
            self.store.records,
            decision.identity.key,
            give_up=self.stop.is_set,
            waiting=lambda holder: self.listener.waiting(node.name, holder),
        )
        if lease is None:
            raise Interrupted("stopped while it waited for another builder", where=node.name)
        again = decision
        try:
            # Look again: another run may have built it while this one waited.
            again = self._decide(node)
            if again.status == "run" and decision.reason == "forced" and again.etag != decision.etag:
                again = self._as_cached(again)
            if again.status == "cached":
                self._settle(node, again, outcome, "built by another run meanwhile")
                return
            with self._slots:
                if self.stop.is_set():
                    raise Interrupted("stopped before it began", where=node.name)
                self._build(node, again, lease, outcome)
            return
        except NightmillError:
            # A sleeper that woke may have taken this lease, or published and cleared this builder's folder away:
            # what that one made is as good.
            published = self.store.lookup(decision.identity.key)
            if lease.still_held() and (published.state != "hit" or published.etag == again.etag):
                raise
        finally:
            lease.release()
        self._reach(node, outcome)

    def _decide(self, node: Node) -> Decision:
        upstream = {name: self._manifests[name] for name in node.upstream}
        decision = self.planner.decide(node, upstream)
        if node.name in self._forced_done and decision.reason == "forced":
            return self._as_cached(decision)
        return decision

    def _as_cached(self, decision: Decision) -> Decision:
        """A forced decision once its work is done: cached, if the artifact is whole."""
        found = self.store.lookup(decision.identity.key if decision.identity else "")
        if found.state != "hit":
            return decision
        return Decision(decision.node, "cached", "", (), decision.identity, found.manifest, found.etag)

    def _settle(self, node: Node, decision: Decision, outcome: StageOutcome, reason: str = "") -> None:
        assert decision.manifest is not None and decision.identity is not None
        manifest = decision.manifest
        self._manifests[node.name] = manifest
        describe(outcome, manifest)
        outcome.outcome, outcome.reason, outcome.key = "cached", reason, decision.identity.key
        outcome.seconds = outcome.cpu_seconds = 0.0
        outcome.peak_memory_bytes = 0
        mark(self.planner, node, decision.identity, anew=False)
        refer(self.planner, node, decision.identity, manifest)

    def _build(self, node: Node, decision: Decision, lease: Lease, outcome: StageOutcome) -> None:
        identity = decision.identity
        assert identity is not None
        key_folder = self.store.root / "work" / identity.key
        folder = key_folder / lease.token
        folder.mkdir(parents=True)
        forced = decision.reason == "forced"
        went_on = not forced and bring_forward(key_folder, folder)
        resources = self.resources(node.name)
        build = Build(node, decision, self._manifests, folder, now(), went_on)
        spec = specification(
            build, self.planner, threads=resources.threads, workers=resources.workers, reuse_parts=not forced
        )
        (folder / "spec.json").write_text(spec.model_dump_json())
        result, usage = (resources.launcher or self._launcher)(
            folder,
            node=node.name,
            threads=resources.threads,
            stopping=self.stop.is_set,
            lost=lease.lost.is_set,
            heard=lambda event: self.listener.heard(node.name, event),
        )
        check(build, result, self.store)
        manifest = manifest_of(build, result, usage, self.planner, self.record)
        if not lease.still_held():
            raise StageFailed("another builder took over the lease", where=node.name, hint="run again")
        mark(self.planner, node, identity, anew=False)
        manifest, won = self.store.publish(manifest, decision.etag)
        mark(self.planner, node, identity, anew=True)
        shutil.rmtree(key_folder if lease.still_held() else folder, ignore_errors=True)
        with self._lock:
            self._forced_done.add(node.name)
        self._manifests[node.name] = manifest
        describe(outcome, manifest)
        outcome.outcome = "resumed" if manifest.resumed else "built"
        outcome.reason = decision.reason if won else "built by another run meanwhile"
        if manifest.resumed:
            outcome.reason = f"went on from {manifest.resumed}; {outcome.reason}"
        refer(self.planner, node, identity, manifest)

    # -- damage -----------------------------------------------------------------------------------------------------

    def _rebuild_inputs(self, node: Node, error: DamagedArtifact) -> bool:
        """Takes a damaged object out of the way and builds the upstream artifacts that need it.

        Nodes that read one damaged object side by side come here one after the other, so that none throws away what
        another has just rebuilt.

        Returns:
            Whether it makes sense to try again: not for what is no object of the store.
        """
        digest = error.where
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return False
        with self._rebuilding:
            if self.store.is_sound(digest):
                return True
            self.listener.warned(node.name, f"what it reads is damaged and will be rebuilt: {error.message}")
            self.store.objects.discard(digest)
            for name in self.graph.nodes:
                manifest = self._manifests.get(name)
                if name not in self.graph.ancestors(node.name) or manifest is None:
                    continue
                if any(file.digest == digest for output in manifest.outputs.values() for file in output.files):
                    self._rebuild(name)
        return True

    def _rebuild(self, name: str) -> None:
        outcome = self.log.outcome(name)
        try:
            self._bring_about(self.graph.nodes[name], outcome)
        except NightmillError as error:
            self.log.failed(outcome, error)
            raise
        finally:
            self.listener.finished(outcome)

    # -- bookkeeping ------------------------------------------------------------------------------------------------

    @property
    def record(self) -> RunRecord:
        """What the run pinned, decided and built."""
        return self.log.record

    @property
    def errors(self) -> Mapping[str, NightmillError]:
        """What ended nodes, by name."""
        return self.log.errors

    def finish(self) -> RunRecord:
        """Settles what became of the run and saves the record."""
        return self.log.finish()

    def error(self) -> NightmillError | None:
        """What ended the run, if anything did."""
        return self.log.error()
