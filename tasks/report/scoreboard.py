"""Scores beside their baselines, and what the models wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from schemas.manifest import Manifest, RunRecord
from schemas.scores import Sample, Score
from tasks.report.bounds import Bounds, cut
from tasks.report.charts import interval_plot
from tasks.report.figures import Figures
from tasks.report.quantities import decimal

MAX_NAME = 80

_PERCENT_SCALE = {"bleu", "chrf"}
_UNIT_SCALE = {"rouge1", "rouge2", "rougeL", "exact_match", "accuracy", "precision_macro", "recall_macro", "f1_macro"}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of the table of scores; the numbers are written out."""

    metric: str
    language: str
    value: str
    interval: str
    n: int
    baselines: list[tuple[str, str]]
    previous: str
    plot: Markup
    better: str
    learned: bool | None
    signature: str


@dataclass(frozen=True, slots=True)
class Task:
    """What was measured of one model."""

    name: str
    rows: list[ScoreRow]
    more: list[ScoreRow]
    left_out: int
    samples: list[Sample]


def tasks(
    run: RunRecord,
    manifests: Mapping[str, Manifest],
    figures: Figures,
    previous: Mapping[str, Manifest],
    bounds: Bounds,
) -> tuple[list[Task], list[Score]]:
    """Returns what to show of each evaluated model, in the order of the graph, and all scores."""
    found: list[Task] = []
    everything: list[Score] = []
    for stage in run.stages:
        manifest = manifests.get(stage.node)
        if manifest is None or "scores" not in manifest.outputs:
            continue
        scores = figures.scores(manifest)
        everything += scores
        if not scores or len(found) == bounds.lines:
            continue
        before = {}
        if stage.node in previous and previous[stage.node].version != manifest.version:
            before = {(score.metric, score.language): score.value for score in figures.scores(previous[stage.node])}
        rows = [score_row(score, before.get((score.metric, score.language))) for score in scores[: bounds.rows // 3]]
        main = [row for row, score in zip(rows, scores, strict=False) if not _is_detail(score)]
        more = [row for row, score in zip(rows, scores, strict=False) if _is_detail(score)]
        found.append(
            Task(
                name=cut(scores[0].task, MAX_NAME),
                rows=main,
                more=more,
                left_out=len(scores) - len(rows),
                samples=[_cut(sample, bounds) for sample in figures.samples(manifest)[: bounds.lines]],
            )
        )
    return found, everything


def score_row(score: Score, previous: float | None) -> ScoreRow:
    """Returns a score as it is shown."""
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f"{decimal(score.low)} – {decimal(score.high)}"
    title = f"{cut(score.metric, MAX_NAME)} {decimal(score.value)}" + (
        f", 95 % interval {interval}" if interval else ""
    )
    return ScoreRow(
        metric=cut(score.metric.replace("_", " "), MAX_NAME),
        language={"en": "English", "zh": "Chinese"}.get(score.language, cut(score.language, MAX_NAME)),
        value=decimal(score.value),
        interval=interval,
        n=score.n,
        baselines=[(cut(baseline.name, MAX_NAME), decimal(baseline.value)) for baseline in score.baselines[:5]],
        previous="" if previous is None else decimal(previous),
        plot=interval_plot(
            score.value, score.low, score.high, [b.value for b in score.baselines[:5]], _scale(score), title
        ),
        better=score.better,
        learned=score.learned,
        signature=cut(score.signature, 2 * MAX_NAME),
    )


def _scale(score: Score) -> float:
    """Returns the right end of a score's axis: its metric's own, or a little beyond the largest value shown."""
    if score.metric in _UNIT_SCALE or score.metric.startswith("f1 of "):
        return 1.0
    if score.metric in _PERCENT_SCALE:
        return 100.0
    values: Sequence[float] = [score.value, score.high or 0.0, *(baseline.value for baseline in score.baselines)]
    return max(values) * 1.1 or 1.0


def _is_detail(score: Score) -> bool:
    return score.metric.startswith("f1 of ")


def _cut(sample: Sample, bounds: Bounds) -> Sample:
    return Sample(
        task=sample.task,
        language=cut(sample.language, MAX_NAME),
        prompt=cut(sample.prompt, bounds.text),
        output=cut(sample.output, bounds.text),
        reference=cut(sample.reference, bounds.text),
    )
