"""What happened, in a sentence and in a row per stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.manifest import Manifest, RunRecord, StageOutcome
from schemas.scores import Score
from tasks.report.bounds import Bounds, cut
from tasks.report.figures import number
from tasks.report.quantities import between, decimal, duration, percent

MAX_NAME = 80
MAX_GOALS = 12
MAX_CAUSE = 240
"""Characters of an error in the verdict; the whole of it stands below."""

FINE = {"cached", "built", "resumed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run in a sentence.

    Attributes:
        tone: good, bad, wait or plain: decides the colour.
        headline: What became of the run.
        sentences: What else a reader must know first.
    """

    tone: str
    headline: str
    sentences: list[str]


@dataclass(frozen=True, slots=True)
class StageRow:
    """A row of the table of stages."""

    node: str
    outcome: str
    reason: str
    rows_in: float | None
    rows_out: float | None
    seconds: float
    cpu_seconds: float
    memory: float
    share: float
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stage failed or is held."""

    node: str
    outcome: str
    message: str
    where: str
    hint: str
    details: list[str]
    more: int


def verdict(run: RunRecord, scores: Sequence[Score]) -> Verdict:
    """Returns the run in a sentence, and whether its models learned."""
    counts: Counter[str] = Counter(stage.outcome for stage in run.stages)
    parts = [f"{counts[name]} {name}" for name in ("built", "resumed", "cached") if counts[name]]
    seconds = between(run.started, run.finished)
    took = f" in {duration(seconds)}" if seconds is not None and seconds >= 0 else ""
    first = _first(run.stages, "failed")
    held = _first(run.stages, "held")
    blocked = counts["blocked"] + counts["pending"]
    rest = [f"{_stages(blocked)} could not run because of it."] if blocked else []
    kept = [f"{_stages(sum(counts[name] for name in FINE))} stand: {', '.join(parts)}."] if parts else []
    if run.outcome == "done":
        return Verdict("good", f"Done{took}", [f"{_stages(len(run.stages))}: {', '.join(parts)}.", *_learned(scores)])
    if run.outcome == "failed" and first is not None:
        why = cut(_message(first), MAX_CAUSE)
        return Verdict("bad", f"Failed at {first.node}", [_sentence(why), *rest, *kept])
    if run.outcome == "held" and held is not None:
        return Verdict("wait", f"Held at {held.node}", [_sentence(cut(_message(held), MAX_CAUSE)), *rest, *kept])
    if run.outcome == "interrupted":
        return Verdict("wait", f"Interrupted{took}", ["The next run goes on from here.", *kept])
    if run.outcome == "running":
        return Verdict("plain", "Not ended", ["The run is still going on, or its process was killed.", *kept])
    return Verdict("bad", run.outcome.capitalize(), [*rest, *kept])


def stage_rows(run: RunRecord, manifests: Mapping[str, Manifest], bounds: Bounds) -> list[StageRow]:
    """Returns the stages in the order of the graph; what a run did not note is taken from the manifest."""
    longest = max((stage.seconds for stage in run.stages), default=0.0)
    return [_row(stage, manifests.get(stage.node), longest, bounds) for stage in run.stages[: bounds.rows]]


def faults(run: RunRecord, bounds: Bounds) -> list[Fault]:
    """Returns why stages failed or are held, earliest first."""
    found = []
    for stage in run.stages:
        if stage.error is None and stage.outcome not in ("failed", "held"):
            continue
        error: Mapping[str, Any] = stage.error or {}
        details = error.get("details") or []
        found.append(
            Fault(
                node=stage.node,
                outcome=stage.outcome,
                message=cut(_message(stage), bounds.text),
                where=cut(str(error.get("where") or ""), bounds.text),
                hint=cut(str(error.get("hint") or ""), bounds.text),
                details=[cut(str(line), bounds.text) for line in details[: bounds.lines]],
                more=max(0, len(details) - bounds.lines),
            )
        )
    return found[: bounds.rows]


def _row(stage: StageOutcome, manifest: Manifest | None, longest: float, bounds: Bounds) -> StageRow:
    metrics = manifest.metrics if manifest else {}
    built = stage.outcome in ("built", "resumed")
    warnings = stage.warnings or (manifest.warnings if manifest else [])
    return StageRow(
        node=stage.node,
        outcome=stage.outcome,
        reason=cut(stage.reason or (manifest.reason if manifest and built else ""), bounds.text),
        rows_in=stage.rows_in if stage.rows_in is not None else number(metrics.get("rows_in")),
        rows_out=stage.rows_out if stage.rows_out is not None else number(metrics.get("rows_out")),
        seconds=stage.seconds,
        cpu_seconds=stage.cpu_seconds,
        memory=stage.peak_memory_bytes,
        share=stage.seconds / longest if longest > 0 else 0.0,
        warnings=[cut(text, bounds.text) for text in warnings[: bounds.lines]],
    )


def _learned(scores: Sequence[Score]) -> list[str]:
    """Returns a sentence for each goal over all examples of a task."""
    found = []
    for score in scores:
        if score.learned is None or score.language != "all":
            continue
        says = f"{cut(score.metric, MAX_NAME).replace('_', ' ')} {decimal(score.value)}"
        if score.baselines:
            other = score.baselines[0]
            against = f" against {decimal(other.value)} for {cut(other.name, MAX_NAME)}"
            if score.better == "lower" and other.value > 0:
                against += f" ({percent(score.value / other.value)})"
            says += against
        found.append(f"{cut(score.task, MAX_NAME)} {'learned' if score.learned else 'did not learn enough'}: {says}.")
    return found[:MAX_GOALS]


def _message(stage: StageOutcome) -> str:
    return str((stage.error or {}).get("message") or stage.reason or "no reason was recorded")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…", "!", "?", "。")) else ".")


def _stages(n: int) -> str:
    return "1 stage" if n == 1 else f"{n} stages"


def _first(stages: Sequence[StageOutcome], outcome: str) -> StageOutcome | None:
    return next((stage for stage in stages if stage.outcome == outcome), None)
