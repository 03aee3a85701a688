"""The few charts of the report, as inline SVG.

Shapes are SVG in percentages or in a stretched box with lines of constant width; labels are HTML beside them, so that
they keep their size on a phone. Colours are classes: the style sheet gives them, once for light and once for dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.quantities import count, decimal

MAX_POINTS = 240
"""Points drawn of a series: more than a chart has pixels to tell apart on a phone, a tenth of what a night may log."""


@dataclass(frozen=True, slots=True)
class Series:
    """A named line: points (x, y) with finite y, x ascending."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


def bar(share: float, style: str, title: str) -> Markup:
    """Returns a horizontal bar that fills `share` of the width it is given."""
    return Markup(
        '<svg class="bar" width="100%" height="14" role="img" aria-label="{title}"><title>{title}</title>'
        '<rect class="track" width="100%" height="14" rx="3"/>'
        '<rect class="{style}" width="{width:.2f}%" height="14" rx="3"/></svg>'
    ).format(title=title, style=style, width=100 * min(1.0, max(0.0, share)))


def interval_plot(
    value: float, low: float | None, high: float | None, baselines: Sequence[float], upper: float, title: str
) -> Markup:
    """Returns a value as a dot, its interval as a line and baselines as strokes, on a scale from 0 to `upper`."""

    def at(x: float) -> str:
        return f"{2 + 96 * min(1.0, max(0.0, x / upper)):.2f}%"

    parts = [Markup('<line class="axis" x1="2%" x2="98%" y1="10" y2="10"/>')]
    parts += [
        Markup('<line class="baseline" x1="{x}" x2="{x}" y1="2" y2="18"/>').format(x=at(other)) for other in baselines
    ]
    if low is not None and high is not None:
        parts.append(Markup('<line class="range" x1="{a}" x2="{b}" y1="10" y2="10"/>').format(a=at(low), b=at(high)))
    parts.append(Markup('<circle class="dot" cx="{x}" cy="10" r="4"/>').format(x=at(value)))
    return Markup(
        '<svg class="interval" width="100%" height="20" role="img" aria-label="{title}"><title>{title}</title>'
        "{parts}</svg>"
    ).format(title=title, parts=Markup("").join(parts))


def line_chart(series: Sequence[Series], *, x_name: str, y_name: str) -> Markup:
    """Returns lines over a common x, with gridlines at round values and a legend; empty without two points."""
    drawn = [Series(one.name, one.style, thin(one.points)) for one in series if one.points]
    xs = [x for one in drawn for x, _ in one.points]
    ys = [y for one in drawn for _, y in one.points]
    if len(xs) < 2 or min(xs) == max(xs):
        return Markup("")
    left, right = min(xs), max(xs)
    y_ticks = ticks(min(ys), max(ys))
    x_ticks = [tick for tick in ticks(left, right) if left <= tick <= right]
    bottom, top = y_ticks[0], y_ticks[-1]

    def across(x: float) -> float:
        return 100 * (x - left) / (right - left)

    def down(y: float) -> float:
        return 100 - 100 * (y - bottom) / (top - bottom)

    grid = Markup("").join(
        Markup('<line class="grid" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>').format(y=down(tick))
        for tick in y_ticks
    )
    lines = Markup("").join(
        Markup('<polyline class="line {style}" points="{points}"/>').format(
            style=one.style, points=" ".join(f"{across(x):.2f},{down(y):.2f}" for x, y in one.points)
        )
        for one in drawn
    )
    return Markup(
        '<figure class="chart"><figcaption>{y_name}{legend}</figcaption>'
        '<div class="y">{y_labels}</div>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{y_name} by {x_name}">'
        "{grid}{lines}</svg>"
        '<div class="x">{x_labels}</div><div class="x-name">{x_name}</div></figure>'
    ).format(
        y_name=y_name,
        x_name=x_name,
        grid=grid,
        lines=lines,
        legend=Markup("").join(
            Markup('<span class="key"><i class="{style}"></i>{name}</span>').format(style=one.style, name=one.name)
            for one in drawn
        ),
        y_labels=Markup("").join(
            Markup('<span style="top:{y:.2f}%">{text}</span>').format(y=down(tick), text=_tick_text(tick, y_ticks))
            for tick in y_ticks
        ),
        x_labels=Markup("").join(
            Markup('<span style="left:{x:.2f}%">{text}</span>').format(x=across(tick), text=_tick_text(tick, x_ticks))
            for tick in x_ticks
        ),
    )


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns at most `MAX_POINTS` points: means of neighbours, the last point kept as it is."""
    if len(points) <= MAX_POINTS:
        return list(points)
    *body, last = points
    bins = MAX_POINTS - 1
    thinned = []
    for number in range(bins):
        piece = body[number * len(body) // bins : (number + 1) * len(body) // bins]
        thinned.append((sum(x for x, _ in piece) / len(piece), sum(y for _, y in piece) / len(piece)))
    return [*thinned, last]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Returns round values (1, 2 or 5 times a power of ten apart) that enclose low and high."""
    if not high > low:
        margin = abs(low) / 10 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _tick_text(tick: float, all_ticks: Sequence[float]) -> str:
    step = all_ticks[1] - all_ticks[0] if len(all_ticks) > 1 else abs(tick) or 1.0
    if step >= 1:
        return count(tick)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{tick:.{digits}f}" if digits <= 6 else decimal(tick)
