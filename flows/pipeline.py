"""The Prefect flow that runs a pipeline: one flow, one task for each stage, and no data through Prefect."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import get_run_context
from prefect.futures import PrefectFuture
from prefect.futures import wait as wait_for_all
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.engine.prefect_task import stage_task
from tasks.engine.runner import Run

_handed_over: dict[str, tuple[Run, Any]] = {}


def hand_over(run: Run) -> None:
    """Lets the next call of the flow with this run's id use a run that was prepared (and is listened to) already.

    The command's answer to SIGTERM is kept too: Prefect puts its own in place, which lets stages work on to their end.
    """
    _handed_over[run.record.run] = (run, signal.getsignal(signal.SIGTERM))


# Tasks that wait for others hold a thread each; how many stages are built at a time is the engine's to limit.
_THREADS = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner[Any](max_workers=64))


@flow(name="nightmill", task_runner=_THREADS, flow_run_name="{config}", persist_result=False, log_prints=False)
def pipeline(config: str, run_id: str = "", date: str | None = None, force: list[str] | None = None) -> State[Any]:
    """Runs a pipeline.

    Args:
        config: The configuration file.
        run_id: Of a run that the command prepared; empty to prepare one here.
        date: Nominal date, ISO; today in UTC by default.
        force: Stages to build even if they are cached.
    """
    run, on_sigterm = _handed_over.pop(run_id, (None, None))
    if on_sigterm is not None:
        signal.signal(signal.SIGTERM, on_sigterm)
    if run is None:
        from flows.session import Request, prepare

        run = prepare(Request(Path(config), date=date, forced=tuple(force or ()), command="prefect")).run()
    run.record.flow_run = str(getattr(get_run_context(), "flow_run").id)  # noqa: B009 - the context's type is a union
    futures: dict[str, Any] = {}
    for name, node in run.graph.nodes.items():
        futures[name] = stage_task(run, name).submit(wait_for=[futures[other] for other in node.upstream])
    wait_for_all(list(futures.values()))
    for stage in run.record.stages:
        if stage.outcome in ("pending", "running"):
            run.execute(stage.node)
    record = run.finish()
    error = run.error()
    if record.outcome == "done":
        return Completed(message=record.run)
    if record.outcome == "interrupted":
        return Cancelled(message="stopped; the next run goes on from here")
    return Failed(name="Held" if record.outcome == "held" else None, message=str(error))
