"""Runs every node of a graph in its order: in threads alone, or as the tasks of one Prefect flow."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType

from schemas.errors import StageFailed
from tasks.engine.placement import bring_about
from tasks.engine.runner import Run

STOP_S = 4.2
"""A run that was told to stop ends by then, whatever hangs: Ctrl-C must end within 5 s."""

SAVE_S = 0.3
"""How long the last resort waits for the run's record."""


def execute_plainly(run: Run) -> None:
    """Brings every node about, independent ones side by side, without Prefect."""
    futures: dict[str, Future[object]] = {}
    with ThreadPoolExecutor(max_workers=len(run.graph.nodes)) as pool:
        for name, node in run.graph.nodes.items():
            before = [futures[other] for other in node.upstream]

            def go(name: str = name, before: list[Future[object]] = before) -> object:
                wait(before)
                return bring_about(run, name)

            futures[name] = pool.submit(go)
    for future in futures.values():
        future.result()


def execute_with_prefect(run: Run) -> None:
    """Brings every node about as tasks of one Prefect flow, on the server that Prefect's settings name.

    Without such a server Prefect starts an ephemeral one for the time of the run.
    """
    quiet_prefect()
    from flows.pipeline import hand_over, pipeline

    hand_over(run)
    name = f"{run.graph.pipeline} {run.record.date}"
    try:
        pipeline.with_options(flow_run_name=name)(
            config=run.record.config_file, run_id=run.record.run, return_state=True
        )
    except Exception as error:
        raise StageFailed(
            f"Prefect cannot be used: {error}",
            where=os.environ.get("PREFECT_API_URL") or os.environ.get("PREFECT_HOME", "~/.prefect"),
            hint="check the server of PREFECT_API_URL, or that PREFECT_HOME can be written; or use --no-prefect",
        ) from error
    # Prefect does not start tasks behind a failed one: they are settled here.
    for stage in run.record.stages:
        if stage.outcome in ("pending", "running"):
            run.execute(stage.node)


def quiet_prefect() -> None:
    """Sets what a run from the command line wants of Prefect, unless the user set it otherwise."""
    for name, value in {
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)


@contextmanager
def stopped_by_signals(run: Run) -> Iterator[None]:
    """While this holds, Ctrl-C and SIGTERM stop the run: stages save and end, and soon the process ends in any case."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if not run.stop.is_set():
            run.stop.set()
            timer = threading.Timer(STOP_S, _end, args=(run,))
            timer.daemon = True
            timer.start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(run: Run) -> None:
    """The last resort: ends this process and every one below it, after the record says what happened."""
    import psutil

    for stage in run.record.stages:
        if stage.outcome in ("pending", "running"):
            stage.outcome, stage.reason = "interrupted", "stopped"
    # On a full disk or behind a lock the record cannot be saved, and must not keep the process.
    saving = threading.Thread(target=run.finish, daemon=True)
    saving.start()
    saving.join(SAVE_S)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(130)
