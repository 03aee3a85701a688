"""plan, run, why, accept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import (
    Config,
    Date,
    First,
    Force,
    Json,
    Last,
    Only,
    Refresh,
    Set,
    print_json,
    print_line,
    typed_command,
)
from schemas.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from flows.session import Session
    from tasks.engine.listener import Listener
    from tasks.engine.planner import Decision


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    for command in (plan, run, why, accept):
        app.command()(command)


def plan(
    config: Config,
    first: First = None,
    last: Last = None,
    only: Only = None,
    force: Force = None,
    assignments: Set = None,
    date: Date = None,
    refresh: Refresh = False,
    as_json: Json = False,
) -> int:
    """Say what would run, what is cached, what depends on it, and why. Exit code 2 when there is work to do.

    Example: nightmill plan pipeline.yaml --set pretrain.steps=100
    """
    if refresh:
        from flows.progress import listener

        with listener() as listening:
            session = _prepare(config, assignments, first, last, only, force, date, refresh=True, listener=listening)
    else:
        session = _prepare(config, assignments, first, last, only, force, date)
    from flows.estimates import training_estimates

    estimates = training_estimates(session)
    if as_json:
        told = {node: found.to_json() for node, found in estimates.items()}
        print_json([{**_as_json(found), "estimate": told.get(found.node)} for found in session.decisions])
    else:
        width = max(len(found.node) for found in session.decisions)
        for found in session.decisions:
            chosen = "" if found.node in session.selected else "  (not selected)"
            print_line(f"{found.node:<{width}}  {found.status:<8}{found.reason}{chosen}".rstrip())
            if found.node in estimates:
                print_line(f"{'':<{width + 10}}{estimates[found.node]}")
    return int(ExitCode.WORK_TO_DO if session.work else ExitCode.DONE)


def run(
    config: Config,
    first: First = None,
    last: Last = None,
    only: Only = None,
    force: Force = None,
    assignments: Set = None,
    date: Date = None,
    refresh: Refresh = False,
    prefect: Annotated[bool, typer.Option(help="Show and record the run in Prefect.")] = True,
) -> int:
    """Run what is not cached. Goes on by itself from where a killed run was.

    Example: nightmill run pipeline.yaml --force evaluate
    """
    from flows.execute import execute_plainly, execute_with_prefect, stopped_by_signals
    from flows.progress import listener
    from flows.session import report_on

    with listener() as listening:
        session = _prepare(
            config, assignments, first, last, only, force, date, refresh=refresh, runs=True, listener=listening
        )
        current = session.run(listening)
        with stopped_by_signals(current):
            if prefect and session.work:
                execute_with_prefect(current)
            else:
                execute_plainly(current)
            record = current.finish()
    from flows.summary import print_summary

    print_summary(session.store, record)
    report = report_on(session.store, record)
    print_line(f"\nrun {record.run}: {record.outcome}\nreport: {_shown(report)}")
    error = current.error()
    if error is None:
        return int(ExitCode.DONE)
    sys.stderr.write(f"nightmill: {error}\n")
    return int(error.exit_code)


def why(config: Config, stage: str, assignments: Set = None, date: Date = None, as_json: Json = False) -> int:
    """Say of a stage, field by field, what differs from the artifact of the latest run.

    Example: nightmill why pipeline.yaml pretrain
    """
    session = _prepare(config, assignments, date=date)
    found = {decision.node: decision for decision in session.decisions}
    chosen = [found[name] for name in session.graph.matching(stage)]
    if as_json:
        print_json([_as_json(decision) for decision in chosen])
        return 0
    for decision in chosen:
        latest = session.planner.latest(decision.node)
        print_line(f"{decision.node}: {decision.status}" + (f", {decision.reason}" if decision.reason else ""))
        print_line(f"  latest artifact: {latest.version if latest is not None else 'none'}")
        for change in decision.changes:
            print_line(f"  {change}")
        if latest is not None and not decision.changes:
            print_line("  nothing differs that is known before its inputs are built")
    return 0


def accept(config: Config, stage: str, assignments: Set = None, date: Date = None) -> int:
    """Declare that a change of code does not alter a stage's output: the artifact that stands is kept.

    Example: nightmill accept pipeline.yaml pretrain
    """
    import getpass
    from datetime import UTC, datetime

    session = _prepare(config, assignments, date=date)
    names = session.graph.matching(stage)
    accepted = 0
    for decision in session.decisions:
        if decision.node not in names or decision.status != "held" or decision.manifest is None:
            continue
        assert decision.identity is not None
        session.store.mark(session.planner.static_mark(session.graph.nodes[decision.node]), {"node": decision.node})
        session.store.point(
            decision.identity.key,
            decision.manifest,
            accepted_by=getpass.getuser(),
            accepted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        accepted += 1
        print_line(f"{decision.node}: {decision.manifest.version} stands for the new code")
    if not accepted:
        states = ", ".join(f"{found.node} is {found.status}" for found in session.decisions if found.node in names)
        raise ConfigError(f"nothing is held for a change of its code: {states}", hint="see `nightmill plan`")
    return 0


def _prepare(
    config: Config,
    assignments: list[str] | None,
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
    force: list[str] | None = None,
    date: str | None = None,
    *,
    refresh: bool = False,
    runs: bool = False,
    listener: Listener | None = None,
) -> Session:
    from flows.session import Request, prepare

    return prepare(
        Request(
            config=config,
            assignments=tuple(assignments or ()),
            first=first,
            last=last,
            only=only,
            forced=tuple(force or ()),
            date=date,
            command=typed_command(),
            refresh=refresh,
            runs=runs,
        ),
        listener=listener,
    )


def _as_json(decision: Decision) -> dict[str, Any]:
    return {
        "stage": decision.node,
        "status": decision.status,
        "reason": decision.reason,
        "changes": list(decision.changes),
        "key": decision.identity.key if decision.identity is not None else None,
        "version": decision.manifest.version if decision.manifest is not None else None,
    }


def _shown(path: Any) -> str:
    """A path relative to the current folder where it lies below it."""
    from pathlib import Path

    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
