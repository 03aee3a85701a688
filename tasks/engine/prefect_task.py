"""The one place where a stage becomes a Prefect task.

Prefect schedules, shows and alerts; caching is the engine's alone, so the task has no cache policy and hands on the
name of a version, never data. A hit shows as `Cached`, a build that went on from earlier work as `Resumed`.
"""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from schemas.errors import NightmillError
from schemas.manifest import StageOutcome
from tasks.engine.placement import bring_about
from tasks.engine.runner import Run


def stage_task(run: Run, name: str) -> Any:
    """Returns the Prefect task that brings one node's artifact about; submit it, do not call it."""

    @task(name=name, cache_policy=NO_CACHE, persist_result=False, task_run_name=name)
    def stage() -> State[Any]:
        outcome = bring_about(run, name)
        if outcome.outcome in ("built", "resumed"):
            _publish_figures(run, outcome)
        return _state(outcome)

    return stage


def _state(outcome: StageOutcome) -> State[Any]:
    if outcome.outcome == "cached":
        return Completed(name="Cached", message=outcome.version, data=outcome.version)
    if outcome.outcome == "resumed":
        return Completed(name="Resumed", message=outcome.reason, data=outcome.version)
    if outcome.outcome == "built":
        return Completed(name="Built", message=outcome.reason, data=outcome.version)
    if outcome.outcome == "skipped":
        return Completed(name="Skipped", message=outcome.reason)
    if outcome.outcome == "interrupted":
        return Cancelled(message="stopped; the next run goes on from here")
    if outcome.outcome == "held":
        return Failed(name="Held", message=outcome.reason)
    message = str(NightmillError.from_json(outcome.error)) if outcome.error else outcome.reason
    return Failed(message=message)


def _publish_figures(run: Run, outcome: StageOutcome) -> None:
    figures = {
        "version": outcome.version,
        "rows in": outcome.rows_in,
        "rows out": outcome.rows_out,
        "seconds": round(outcome.seconds, 1),
        "CPU seconds": round(outcome.cpu_seconds, 1),
        "peak MiB": round(outcome.peak_memory_bytes / 2**20),
        "why": outcome.reason,
    }
    key = "".join(letter if letter.isalnum() else "-" for letter in f"{run.graph.pipeline}-{outcome.node}".lower())
    create_table_artifact(
        key=key,
        table=[{"figure": name, "value": str(value)} for name, value in figures.items()],
        description=outcome.node,
    )
