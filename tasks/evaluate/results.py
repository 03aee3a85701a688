"""The files that an evaluation leaves: `scores.json`, its content, and `samples.jsonl`, a diagnostic to be read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.errors import StageFailed
from schemas.scores import Sample, Score

DECIMALS = 5
"""More digits than any interval here can tell apart, fewer than would differ from one thread count to another."""

MAX_SAMPLE_CHARACTERS = 2000


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Writes rounded scores as JSON with sorted keys.

    Raises:
        StageFailed: A value is not a finite number: the model has diverged.
    """
    for score in scores:
        if not all(math.isfinite(value) for value in (score.value, score.low or 0.0, score.high or 0.0)):
            raise StageFailed(
                f"{score.metric} is {score.value}: the model gives no usable probabilities",
                where=score.task,
                hint="look at the loss curve in the report; a lower learning rate trains more steadily",
            )
    rows = [_rounded(score.model_dump()) for score in scores]
    path.write_text(
        json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False), encoding="utf-8"
    )


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Writes one sample a line, long texts cut."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for sample in samples:
            row = {
                name: value[:MAX_SAMPLE_CHARACTERS] if isinstance(value, str) else value
                for name, value in sample.model_dump().items()
            }
            file.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")


def headline(scores: Sequence[Score]) -> dict[str, float]:
    """Returns the scores over all examples, for the manifest."""
    return {
        score.metric: round(score.value, DECIMALS)
        for score in scores
        if score.language == "all" and not score.metric.startswith("f1 of ")
    }


def learned(scores: Sequence[Score]) -> bool | None:
    """Returns whether every goal over all examples is met; None where there is none."""
    goals = [score.learned for score in scores if score.language == "all" and score.learned is not None]
    return all(goals) if goals else None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
