"""Loss curves of the models that were trained."""

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


@dataclass(frozen=True, slots=True)
class Curve:
    """A training: its chart and what it came to."""

    node: str
    chart: Markup
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
        found.append(Curve(stage.node, chart, _caption(steps, train, valid)))
    return found


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
