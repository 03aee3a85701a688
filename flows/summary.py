"""What a run ends with: the table of stages, and the scores beside their baselines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from flows.session import manifests_of
from schemas.manifest import RunRecord
from schemas.scores import Score
from tasks.store.store import Store

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "cached": "dim",
    "built": "green",
    "resumed": "green",
    "failed": "red",
    "held": "yellow",
    "blocked": "dim",
    "skipped": "dim",
    "interrupted": "yellow",
}


def stages_table(record: RunRecord) -> Table:
    """Returns the table of stages: what became of each and why, rows, seconds and memory."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("rows in", "rows out", "seconds", "CPU s", "peak MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", min_width=20)
    for stage in record.stages:
        worked = stage.seconds > 0
        table.add_row(
            stage.node,
            Text(stage.outcome, style=STYLES.get(stage.outcome, "")),
            "" if stage.rows_in is None else f"{stage.rows_in:,}",
            "" if stage.rows_out is None else f"{stage.rows_out:,}",
            f"{stage.seconds:.1f}" if worked else "",
            f"{stage.cpu_seconds:.1f}" if worked else "",
            f"{stage.peak_memory_bytes / 2**20:,.0f}" if stage.peak_memory_bytes else "",
            Text(stage.reason),
        )
    return table


def scores_of(store: Store, record: RunRecord) -> list[Score]:
    """Returns the scores of every evaluated model of a run."""
    found: list[Score] = []
    for manifest in manifests_of(store, record).values():
        output = manifest.outputs.get("scores")
        for file in output.files if output is not None else []:
            if file.name == "scores.json":
                data = json.loads(store.verified_path(file).read_bytes())
                found += [Score.model_validate(score) for score in data]
    return found


HEADLINES = ("bits_per_byte", "bleu", "rougeL", "accuracy", "f1_macro")
"""Metrics that a run ends with; the report shows all of them."""


def scores_table(scores: list[Score]) -> Table:
    """Returns the scores with their intervals, beside their baselines."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "metric", "language"):
        table.add_column(name, no_wrap=True)
    for name in ("score", "95 % interval", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("baselines", no_wrap=True)
    table.add_column("learned", no_wrap=True)
    for score in scores:
        if score.metric not in HEADLINES:
            continue
        interval = "" if score.low is None or score.high is None else f"{score.low:.3f} – {score.high:.3f}"
        table.add_row(
            score.task,
            score.metric,
            score.language,
            f"{score.value:.3f}",
            interval,
            f"{score.n:,}",
            ", ".join(f"{baseline.name} {baseline.value:.3f}" for baseline in score.baselines),
            {True: "yes", False: "no", None: ""}[score.learned],
        )
    return table


def print_summary(store: Store, record: RunRecord) -> None:
    """Prints the stages and the scores on standard output."""
    from rich.console import Console

    # Tables in a file or pipe are not cut to the 80 columns that no terminal has there.
    console = Console() if sys.stdout.isatty() else Console(width=160, no_color=True)
    console.print(stages_table(record))
    scores = scores_of(store, record)
    if scores:
        console.print()
        console.print(scores_table(scores))
