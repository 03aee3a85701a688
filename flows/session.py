"""From what the user asked to a run that is ready to go: store, plan, run, and the report after it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flows.configuration import Configuration, read_configuration
from flows.graph import pipeline_graph
from flows.refreshing import look_at_sources
from schemas.config.execution import ExecutionConfig
from schemas.errors import ConfigError
from schemas.manifest import Manifest, RunRecord
from tasks.engine.graph import Graph
from tasks.engine.host import host_class
from tasks.engine.launcher import Launcher, ProcessLauncher
from tasks.engine.listener import Listener, Silence
from tasks.engine.planner import Decision, Planner
from tasks.engine.runner import Resources, Run
from tasks.engine.stage import Stage
from tasks.store.store import Store


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    config: Path
    assignments: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    only: str | None = None
    forced: tuple[str, ...] = ()
    date: str | None = None
    command: str = ""
    refresh: bool = False
    """Whether all remote sources are looked at anew."""
    runs: bool = False
    """Whether a run follows: it looks at sources by itself that a plan would depend on."""


@dataclass
class Session:
    """A request with its configuration read, its store open and its plan made."""

    request: Request
    configuration: Configuration
    graph: Graph
    store: Store
    planner: Planner
    selected: set[str]
    decisions: list[Decision] = field(default_factory=list)

    @property
    def work(self) -> list[Decision]:
        """The selected nodes that are not cached."""
        return [found for found in self.decisions if found.status != "cached" and found.node in self.selected]

    def threads(self, node: str) -> int:
        """Returns the threads that a node computes with."""
        return self.configuration.pipeline.execution.of(node).threads or _cores()

    def run(self, listener: Listener | None = None) -> Run:
        """Returns a run of this plan.

        Raises:
            ConfigError: A training of it cannot fit in memory.
        """
        from flows.estimates import refuse_what_cannot_fit, training_estimates

        refuse_what_cannot_fit(training_estimates(self).values())
        execution = self.configuration.pipeline.execution
        resources = {}
        for name, node in self.graph.nodes.items():
            own = execution.of(name)
            resources[name] = Resources(
                threads=self.threads(name),
                workers=own.workers or _cores(),
                placement=own.placement,
                launcher=_launcher(name, node.stage, execution),
            )
        return Run(
            self.planner,
            config_file=self.request.config.name,
            settings=self.configuration.pipeline.identity(),
            selected=self.selected,
            resources=resources,
            parallel=execution.parallel,
            listener=listener,
            command=self.request.command,
        )


def prepare(request: Request, *, create: bool = True, listener: Listener | None = None) -> Session:
    """Reads the configuration, opens the store, looks at remote sources if that is due or wished for, and plans.

    Raises:
        ConfigError: The configuration or the request cannot be used.
        StoreError: The store cannot be used.
        Interrupted: It was told to stop while it looked at a source.
    """
    configuration = read_configuration(request.config, list(request.assignments))
    graph = pipeline_graph(configuration.pipeline)
    selected = graph.select(request.first, request.last, request.only)
    forced: set[str] = set()
    for name in request.forced:
        chosen = set(graph.matching(name)) & selected
        if not chosen:
            raise ConfigError(f"{name} is not among the stages to run", where="--force", hint="widen --from or --only")
        forced |= chosen
    store = Store.open(configuration.pipeline.store, create=create)
    date = _nominal_date(request.date)
    looked: set[str] = set()
    if "snapshot" in selected and (request.refresh or request.runs):
        sources = configuration.pipeline.snapshot
        looked = look_at_sources(sources, store, listener or Silence(), every=request.refresh)
    elif request.refresh:
        raise ConfigError("snapshot, which looks at the sources, is not among the stages to run", where="--refresh")
    planner = Planner(graph, store, date=date, host=host_class(), forced=forced, looked=looked)
    return Session(request, configuration, graph, store, planner, selected, planner.plan())


def _launcher(name: str, stage: Stage, execution: ExecutionConfig) -> Launcher:
    """Returns what starts a node's builder.

    Raises:
        ConfigError: Several devices are wanted for a stage that has no use for them.
    """
    own = execution.of(name)
    if stage.trains:
        return ProcessLauncher(devices=own.devices or 1, sharded=own.sharded, restarts=own.restarts)
    chosen = execution.stages.get(name)
    if chosen is not None and (chosen.devices or 1) > 1:
        raise ConfigError(
            f"{name} does not train, so it is built by one process",
            where=f"execution.stages.{name}.devices",
            hint="leave it out; `workers` is what such a stage is made faster with",
        )
    return ProcessLauncher()


def report_on(store: Store, record: RunRecord) -> Path:
    """Renders a run's report into the store and returns its path."""
    from tasks.report.render import write_report

    return write_report(
        store.root / "reports" / f"{record.run}.html",
        record,
        manifests_of(store, record),
        lambda file: store.verified_path(file).read_bytes(),
    )


def manifests_of(store: Store, record: RunRecord) -> dict[str, Manifest]:
    """Returns the manifests of a run's artifacts that can be read, by node."""
    found: dict[str, Manifest] = {}
    for stage in record.stages:
        if not stage.version:
            continue
        # What the run had, which a later rebuild may have replaced; another node may have made it.
        manifest = store.manifest(stage.node, stage.version)
        if isinstance(manifest, str):
            manifest = store.lookup(stage.key).manifest or manifest
        if not isinstance(manifest, str):
            found[stage.node] = manifest
    return found


def _nominal_date(given: str | None) -> str:
    if given is None:
        return f"{datetime.now(UTC):%Y-%m-%d}"
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given, re.ASCII):
        raise ConfigError(f"{given!r} is no date", where="--date", hint="write it like 2026-11-22")
    try:
        datetime.strptime(given, "%Y-%m-%d")
    except ValueError:
        raise ConfigError(f"{given!r} is no date of the calendar", where="--date") from None
    return given


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))
