"""Curves of the models that were trained: loss, accuracy, learning rate and gradient norms by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from schemas.manifest import Manifest, RunRecord
from tasks.report.charts import Series, line_chart
from tasks.report.figures import Figures, number
from tasks.report.quantities import count, decimal

MAX_CURVES = 12

MAX_LAYERS = 4
"""Layer groups whose gradient norms share a chart: more lines than colours cannot be told apart."""

_FURTHER = {
    "accuracy": "accuracy in training",
    "learning_rate": "learning rate",
    "gradient_norm": "gradient norm before clipping",
}
"""Field of a step → what its chart is called."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A training: the chart of its loss, smaller ones of what else was logged, and what it came to."""

    node: str
    chart: Markup
    more: list[Markup]
    caption: str


def curves(run: RunRecord, manifests: Mapping[str, Manifest], figures: Figures) -> list[Curve]:
    """Returns a curve for each node that logged its steps, in the order of the graph."""
    found: list[Curve] = []
    for stage in run.stages:
        manifest = manifests.get(stage.node)
        if manifest is None or len(found) == MAX_CURVES:
            continue
        steps = figures.steps(manifest)
        train, valid = _points(steps, "loss"), _points(steps, "valid_loss")
        if not train:
            continue
        chart = line_chart(
            [Series("training", "train", train), Series("validation", "valid", valid)],
            x_name="step",
            y_name="loss, nats",
        )
        found.append(Curve(stage.node, chart, _more(steps), _caption(steps, train, valid)))
    return found


def _more(steps: list[dict[str, Any]]) -> list[Markup]:
    """Returns a chart of each further thing that the steps tell; gradient norms of layer groups in one."""
    charts = [
        line_chart([Series(y_name, "train", _points(steps, field))], x_name="step", y_name=y_name)
        for field, y_name in _FURTHER.items()
    ]
    layers = _layer_norms(steps)
    if layers:
        charts.append(line_chart(layers, x_name="step", y_name="gradient norm by layer"))
    return [chart for chart in charts if chart]


def _layer_norms(steps: list[dict[str, Any]]) -> list[Series]:
    """Returns the gradient norms of at most `MAX_LAYERS` groups: the first, the last, and some between."""
    names = list(dict.fromkeys(name for row in steps for name in _norms(row)))
    if len(names) > MAX_LAYERS:
        names = [names[place * (len(names) - 1) // (MAX_LAYERS - 1)] for place in range(MAX_LAYERS)]
    return [
        Series(name, f"layer-{place}", _points([{**row, "norm": _norms(row).get(name)} for row in steps], "norm"))
        for place, name in enumerate(names)
    ]


def _norms(row: dict[str, Any]) -> dict[str, Any]:
    norms = row.get("layer_norms")
    return norms if isinstance(norms, dict) else {}


def _points(steps: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    points = []
    for row in steps:
        x, y = number(row.get("step")), number(row.get(name))
        if x is not None and y is not None:
            points.append((x, y))
    return sorted(points)


def _caption(steps: list[dict[str, Any]], train: list[tuple[float, float]], valid: list[tuple[float, float]]) -> str:
    tail = [loss for _, loss in train[-max(1, len(train) // 20) :]]
    says = [f"{count(train[-1][0])} steps"]
    tokens = number(steps[-1].get("tokens"))
    if tokens is not None:
        says.append(f"{count(tokens)} predictions")
    says.append(f"training loss {decimal(sum(tail) / len(tail))} at the end")
    if valid:
        best = min(loss for _, loss in valid)
        says.append(f"validation loss {decimal(valid[-1][1])}, at best {decimal(best)}")
    return ", ".join(says) + "."
