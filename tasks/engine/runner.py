"""Carries out a plan: one node at a time or several side by side, each built once whoever asks.

plan → lease → look again → child process → check → publish → reference. The runner knows neither Prefect nor any stage;
`flows` hands it the graph and submits `Run.execute` for each node, in threads or as Prefect tasks.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from schemas.config.base import Config
from schemas.errors import DamagedArtifact, Held, Interrupted, NightmillError, StageFailed, StoreError
from schemas.manifest import FileRecord, InputRecord, Manifest, RunRecord, StageOutcome
from tasks.engine.graph import Graph, Node
from tasks.engine.launcher import Launcher, ProcessLauncher, Usage
from tasks.engine.planner import PROJECT_ROOT, Decision, Identity, Planner
from tasks.engine.spec import BuildResult, BuildSpec, InputSpec
from tasks.store.leases import Lease, acquire, this_process
from tasks.store.local import store_errors
from tasks.store.refs import RefEntry, move_ref
from tasks.store.store import Store, new_version, output_record

REBUILDS = 2
"""How often a stage whose input turns out to be damaged is tried again after the input was rebuilt."""


class Listener(Protocol):
    """Is told what happens; calls come from several threads."""

    def started(self, node: str, reason: str) -> None: ...
    def waiting(self, node: str, holder: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None: ...
    def warned(self, node: str, message: str) -> None: ...
    def finished(self, outcome: StageOutcome) -> None: ...


class Silence:
    """A listener that listens to nothing."""

    def started(self, node: str, reason: str) -> None: ...
    def waiting(self, node: str, holder: str) -> None: ...
    def progress(self, node: str, done: float, total: float, unit: str, figures: Mapping[str, float]) -> None: ...
    def warned(self, node: str, message: str) -> None: ...
    def finished(self, outcome: StageOutcome) -> None: ...


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
        self.listener: Listener = listener or Silence()
        self.stop = threading.Event()
        self.errors: dict[str, NightmillError] = {}
        self._launcher: Launcher = launcher or ProcessLauncher()
        self._manifests: dict[str, Manifest] = {}
        self._forced_done: set[str] = set()
        self._lock = threading.Lock()
        self._rebuilding = threading.RLock()
        self.record = RunRecord(
            run=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
            pipeline=self.graph.pipeline,
            config_file=config_file,
            settings=settings or {},
            date=planner.date,
            started=_now(),
            command=command,
            flow_run=flow_run,
            pins=planner.pins,
            process=this_process(),
            stages=[StageOutcome(node=name, stage=node.stage.name) for name, node in self.graph.nodes.items()],
        )

    def resources(self, name: str) -> Resources:
        """Where and with what a node is built."""
        return self._resources.get(name, Resources())

    # -- one node ---------------------------------------------------------------------------------------------------

    def execute(self, name: str) -> StageOutcome:
        """Brings one node's artifact about; its upstream nodes must have been executed. Never raises for the user."""
        node = self.graph.nodes[name]
        outcome = self._outcome(name)
        started = time.monotonic()
        try:
            with store_errors(self.store.root):
                self._execute(node, outcome)
        except NightmillError as error:
            self._failed(outcome, error)
        except Exception as error:
            # A defect of the engine must still end as one outcome among others, or the flow would never finish.
            failure = StageFailed(f"{type(error).__name__}: {error}", where=name, hint="this is a defect: report it")
            failure.__cause__ = error
            self._failed(outcome, failure)
        if outcome.outcome in ("failed", "interrupted") and not outcome.seconds:
            outcome.seconds = time.monotonic() - started
        try:
            self.save()
        except StoreError as error:
            self._warn(name, f"the run's record could not be saved: {error.message}")
        self._tell(self.listener.finished, outcome)
        return outcome

    def _execute(self, node: Node, outcome: StageOutcome) -> None:
        if node.name not in self.selected and not self.graph.descendants(node.name) & self.selected:
            outcome.outcome, outcome.reason = "skipped", "not selected"
            return
        blocker = next((other for other in node.upstream if other not in self._manifests), None)
        if blocker is not None:
            self._blocked(outcome, blocker)
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
                hint=f"`nightmill accept CONFIG {node.name}` keeps the artifact; `--force {node.name}` builds anew",
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
        self._tell(self.listener.started, node.name, decision.reason)
        outcome.outcome, outcome.reason = "running", decision.reason
        self.save()
        lease = acquire(
            self.store.records,
            decision.identity.key,
            give_up=self.stop.is_set,
            waiting=lambda holder: self._tell(self.listener.waiting, node.name, holder),
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
        _describe(outcome, manifest)
        outcome.outcome, outcome.reason, outcome.key = "cached", reason, decision.identity.key
        outcome.seconds = outcome.cpu_seconds = 0.0
        outcome.peak_memory_bytes = 0
        self._mark(node, decision.identity, anew=False)
        self._refer(node, decision.identity, manifest)

    def _build(self, node: Node, decision: Decision, lease: Lease, outcome: StageOutcome) -> None:
        identity = decision.identity
        assert identity is not None
        key_folder = self.store.root / "work" / identity.key
        folder = key_folder / lease.token
        folder.mkdir(parents=True)
        forced = decision.reason == "forced"
        went_on = not forced and _bring_forward(key_folder, folder)
        spec = self._spec(node, identity, folder, reuse_parts=not forced)
        (folder / "spec.json").write_text(spec.model_dump_json())
        started = _now()
        resources = self.resources(node.name)
        result, usage = (resources.launcher or self._launcher)(
            folder,
            node=node.name,
            threads=resources.threads,
            stopping=self.stop.is_set,
            lost=lease.lost.is_set,
            heard=lambda event: self._heard(node.name, event),
        )
        self._check(node, result)
        manifest = self._manifest(node, decision, identity, result, usage, started, folder, went_on)
        if not lease.still_held():
            raise StageFailed("another builder took over the lease", where=node.name, hint="run again")
        self._mark(node, identity, anew=False)
        manifest, won = self.store.publish(manifest, decision.etag)
        self._mark(node, identity, anew=True)
        shutil.rmtree(key_folder if lease.still_held() else folder, ignore_errors=True)
        with self._lock:
            self._forced_done.add(node.name)
        self._manifests[node.name] = manifest
        _describe(outcome, manifest)
        outcome.outcome = "resumed" if manifest.resumed else "built"
        outcome.reason = decision.reason if won else "built by another run meanwhile"
        if manifest.resumed:
            outcome.reason = f"went on from {manifest.resumed}; {outcome.reason}"
        self._refer(node, identity, manifest)

    def _mark(self, node: Node, identity: Identity, *, anew: bool) -> None:
        """Marks what was built. An older mark is kept until the newer artifact stands, so that no kill loses both."""
        static, data = self.planner.static_mark(node), f"data/{identity.data}"
        if self.store.marked(static) is None:
            self.store.mark(static, {"node": node.name})
        if anew or self.store.marked(data) is None:
            self.store.mark(data, {"key": identity.key})

    def _spec(self, node: Node, identity: Identity, folder: Path, *, reuse_parts: bool) -> BuildSpec:
        look = self.planner.look(node.name)
        return BuildSpec(
            node=node.name,
            stage=node.stage.name,
            settings=_settings(self.planner.settings(node.name)),
            inputs={
                name: self._input(self._manifests[wanted.node], wanted.output) for name, wanted in node.inputs.items()
            },
            predecessor=self._predecessor(identity),
            earlier=self._earlier(node) if reuse_parts else None,
            look=None if look is None else look.detail,
            date=identity.date,
            code=self.planner.code(node).digest,
            root=str(self.planner.root),
            store=str(self.store.root),
            folder=str(folder),
            threads=self.resources(node.name).threads,
            workers=self.resources(node.name).workers,
            reuse_parts=reuse_parts,
        )

    def _input(self, manifest: Manifest, output: str) -> InputSpec:
        return InputSpec(files=manifest.outputs[output].files, folder=str(self.store.view(manifest, output)))

    def _earlier(self, node: Node) -> dict[str, InputSpec] | None:
        """What the latest artifact holds, if only its inputs were others."""
        latest = self.planner.latest(node.name)
        if (
            latest is None
            or latest.code != self.planner.code(node).digest
            or latest.settings != self.planner.settings(node.name).identity()
            or self.store.damage(latest)
        ):
            return None
        found = {name: InputSpec(files=output.files, folder="") for name, output in latest.outputs.items()}
        return found | {"diagnostics": InputSpec(files=latest.diagnostics, folder="")}

    def _predecessor(self, identity: Identity) -> dict[str, InputSpec] | None:
        entry = identity.predecessor
        if entry is None or not identity.fields.get("predecessor"):
            return None
        manifest = self.store.manifest(entry.node, entry.version)
        if isinstance(manifest, str):
            return None
        return {name: self._input(manifest, name) for name in manifest.outputs}

    def _check(self, node: Node, result: BuildResult) -> None:
        for name, files in result.outputs.items():
            if not files:
                raise StageFailed(f"left nothing in its output {name}", where=node.name, hint="this is a defect")
            for file in files:
                if self.store.objects.size(file.digest) != file.size:
                    raise StoreError(
                        f"{name}/{file.name} is not in the store though it was just written",
                        where=str(self.store.objects.path(file.digest)),
                        hint="check the disk, then run again",
                    )

    def _manifest(
        self,
        node: Node,
        decision: Decision,
        identity: Identity,
        result: BuildResult,
        usage: Usage,
        started: str,
        folder: Path,
        went_on: bool,
    ) -> Manifest:
        diagnostics = list(result.diagnostics)
        log = folder / "log.txt"
        if log.stat().st_size:
            digest, size = self.store.objects.take(log)
            diagnostics.append(FileRecord(name="log.txt", digest=digest, size=size))
        parts = result.metrics.get("parts", {})
        resumed = result.resumed
        if not resumed and went_on and parts.get("reused"):
            resumed = f"{parts['reused']} of {parts['total']} parts"
        code = self.planner.code(node)
        return Manifest(
            node=node.name,
            stage=node.stage.name,
            version=new_version(identity.key),
            key=identity.key,
            settings=self.planner.settings(node.name).identity(),
            stage_version=node.stage.version,
            code=code.digest,
            code_modules=code.modules,
            look=identity.fields.get("look", ""),
            predecessor=identity.fields.get("predecessor", ""),
            inputs=[
                InputRecord(
                    node=wanted.node,
                    output=wanted.output,
                    version=self._manifests[wanted.node].version,
                    digest=self._manifests[wanted.node].outputs[wanted.output].digest,
                )
                for wanted in node.inputs.values()
            ],
            outputs={name: output_record(files) for name, files in sorted(result.outputs.items())},
            diagnostics=diagnostics,
            metrics=result.metrics,
            warnings=result.warnings,
            started=started,
            seconds=usage.seconds,
            cpu_seconds=usage.cpu_seconds,
            peak_memory_bytes=usage.peak_memory_bytes,
            resumed=resumed,
            reason=decision.reason,
            date=identity.date,
            libraries=result.libraries,
            git_commit=_git_commit(),
            host_class=self.planner.host,
            command=self.record.command,
            flow_run=self.record.flow_run,
        )

    def _refer(self, node: Node, identity: Identity, manifest: Manifest) -> None:
        before = identity.predecessor
        move_ref(
            self.store.records,
            f"{self.graph.pipeline}/{node.name}",
            RefEntry(
                node=manifest.node,
                version=manifest.version,
                key=identity.key,
                date=identity.date,
                predecessor="" if before is None else before.version,
                predecessor_digest=str(identity.fields.get("predecessor", "")),
            ),
        )

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
            self._warn(node.name, f"what it reads is damaged and will be rebuilt: {error.message}")
            self.store.objects.discard(digest)
            for name in self.graph.nodes:
                manifest = self._manifests.get(name)
                if name not in self.graph.ancestors(node.name) or manifest is None:
                    continue
                if any(file.digest == digest for output in manifest.outputs.values() for file in output.files):
                    self._rebuild(name)
        return True

    def _rebuild(self, name: str) -> None:
        outcome = self._outcome(name)
        try:
            self._bring_about(self.graph.nodes[name], outcome)
        except NightmillError as error:
            self._failed(outcome, error)
            raise
        finally:
            self._tell(self.listener.finished, outcome)

    # -- bookkeeping ------------------------------------------------------------------------------------------------

    def finish(self) -> RunRecord:
        """Settles what became of the run and saves the record."""
        outcomes = {stage.outcome for stage in self.record.stages}
        if "interrupted" in outcomes:
            self.record.outcome = "interrupted"
        elif "failed" in outcomes:
            self.record.outcome = "failed"
        elif "held" in outcomes:
            self.record.outcome = "held"
        else:
            self.record.outcome = "done"
        self.record.finished = _now()
        self.save()
        return self.record

    def error(self) -> NightmillError | None:
        """The earliest error in the graph's order; interruptions come before failures, and those before holds."""
        found = [self.errors[name] for name in self.graph.nodes if name in self.errors]
        return min(found, key=lambda error: (not isinstance(error, Interrupted), isinstance(error, Held)), default=None)

    def save(self) -> None:
        """Writes `runs/<run>.json`."""
        with self._lock:
            data = self.record.model_dump_json(indent=1).encode()
            name = f"runs/{self.record.run}.json"
            found = self.store.records.get(name)
            if found is None:
                self.store.records.put_if_absent(name, data)
            else:
                self.store.records.put_if_match(name, data, found.etag)

    def _outcome(self, name: str) -> StageOutcome:
        return next(stage for stage in self.record.stages if stage.node == name)

    def _blocked(self, outcome: StageOutcome, blocker: str) -> None:
        cause = self._outcome(blocker)
        if cause.outcome == "blocked":
            outcome.reason = cause.reason
        else:
            verb = {"failed": "failed", "held": "is held", "interrupted": "was stopped"}.get(
                cause.outcome, "did not run"
            )
            outcome.reason = f"waits for {blocker}, which {verb}"
        outcome.outcome = "blocked"

    def _failed(self, outcome: StageOutcome, error: NightmillError) -> None:
        outcome.outcome = (
            "held" if isinstance(error, Held) else "interrupted" if isinstance(error, Interrupted) else "failed"
        )
        outcome.reason = error.message
        outcome.error = error.to_json()
        with self._lock:
            self.errors[outcome.node] = error

    def _heard(self, node: str, event: dict[str, Any]) -> None:
        if "progress" in event:
            told = event["progress"]
            self._tell(self.listener.progress, node, told["done"], told["total"], told["unit"], told["figures"])
        if "warning" in event:
            self._warn(node, event["warning"])

    def _warn(self, node: str, message: str) -> None:
        self._tell(self.listener.warned, node, message)

    def _tell(self, tell: Callable[..., None], *values: Any) -> None:
        """Tells the listener; that its terminal or pipe is gone is no reason to end a build."""
        with contextlib.suppress(OSError):
            tell(*values)


def _settings(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _describe(outcome: StageOutcome, manifest: Manifest) -> None:
    outcome.key, outcome.version = manifest.key, manifest.version
    outcome.rows_in = manifest.metrics.get("rows_in")
    outcome.rows_out = manifest.metrics.get("rows_out")
    outcome.seconds, outcome.cpu_seconds = manifest.seconds, manifest.cpu_seconds
    outcome.peak_memory_bytes = manifest.peak_memory_bytes
    outcome.warnings = manifest.warnings


def _bring_forward(key_folder: Path, folder: Path) -> bool:
    """Brings checkpoints and step logs of earlier builders of this key into a new builder's folder.

    Checkpoints (`step-*`, complete once they have their name) are linked, logs (`*.jsonl`) copied, the latest builder's
    last. Returns whether there was an earlier builder.
    """
    earlier = [path for path in key_folder.iterdir() if path != folder and path.is_dir()]
    target = folder / "checkpoints"
    target.mkdir()
    for path in sorted(earlier, key=lambda path: path.stat().st_mtime):
        for checkpoint in sorted((path / "checkpoints").glob("step-*")):
            if checkpoint.is_dir() and not (target / checkpoint.name).exists():
                try:
                    # Killed in between, it must not count as a checkpoint.
                    shutil.copytree(checkpoint, target / ".tmp-linked", copy_function=os.link)
                    (target / ".tmp-linked").rename(target / checkpoint.name)
                except (OSError, shutil.Error):
                    # Its owner still lives and removed it meanwhile: an older or newer one is there.
                    shutil.rmtree(target / ".tmp-linked", ignore_errors=True)
        for log in sorted((path / "checkpoints").glob("*.jsonl")):
            # Written on, so a copy: a sleeper that wakes must not write into its successor's.
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(log, target / log.name)
    return bool(earlier)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _git_commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()
