"""Scores of predicted labels: accuracy and macro-averaged ratios beside the majority class, and F1 of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.config.evaluate import EvaluateConfig
from schemas.scores import Baseline, Score
from tasks.evaluate.baselines import majority
from tasks.evaluate.examples import Example
from tasks.evaluate.intervals import bootstrap
from tasks.evaluate.metrics import MACRO, Classification, macro, per_class

BASELINE = "majority class"

Interval = tuple[float, float]


def classification_scores(
    train_labels: Sequence[str],
    test: Sequence[Example],
    predictions: Sequence[str],
    cache: Path,
    config: EvaluateConfig,
) -> list[Score]:
    """Returns the summary over all examples and per language where there are several, then F1 of each class.

    A model has learned when the interval of its accuracy's lead over the majority class, both on the same resamples,
    lies above zero: that is a paired comparison, sharper than two intervals side by side.

    Args:
        train_labels: Labels of the training examples; the most frequent is the baseline's answer to everything.
        test: The examples, `target` being the label.
        predictions: The model's label of each.
        cache: A folder for what the `evaluate` library insists on creating.
        config: Settings of the stage.
    """
    metric = Classification(cache_dir=str(cache), keep_in_memory=True, seed=0)
    common = majority(train_labels)
    present = sorted({example.language for example in test})
    groups = ["all", *present] if len(present) > 1 else ["all"]
    scores: list[Score] = []
    for language in groups:
        rows = [row for row, example in enumerate(test) if language in ("all", example.language)]
        targets = [test[row].target for row in rows]
        found = metric.compute(predictions=[predictions[row] for row in rows], references=targets)
        trivial = metric.compute(predictions=[common] * len(rows), references=targets)
        labels = sorted(found["classes"])
        baseline_hits = np.array([target == common for target in targets])
        intervals, of_class, lead = _intervals(found["statistics"], baseline_hits, labels, config)
        scores += [
            Score(
                task=config.task,
                metric=name,
                language=language,
                value=found[name],
                low=intervals[name][0],
                high=intervals[name][1],
                n=len(rows),
                better="higher",
                baselines=[Baseline(name=BASELINE, value=trivial[name])],
                learned=lead[0] > 0 if name == "accuracy" else None,
                signature=f"majority class: {common}" if name == "accuracy" else "",
            )
            for name in MACRO
        ]
        if language == "all":
            scores += [
                Score(
                    task=config.task,
                    metric=f"f1 of {label}",
                    language=language,
                    value=found["classes"][label]["f1"],
                    low=of_class[label][0],
                    high=of_class[label][1],
                    n=found["classes"][label]["support"],
                    better="higher",
                    baselines=[
                        Baseline(name=BASELINE, value=trivial["classes"].get(label, {"f1": 0.0})["f1"]),
                    ],
                )
                for label in labels
            ]
    return scores


def _intervals(
    cells: NDArray[np.int64], baseline_hits: NDArray[np.bool_], labels: list[str], config: EvaluateConfig
) -> tuple[dict[str, Interval], dict[str, Interval], Interval]:
    """Returns the intervals of the summary, of each class's F1, and of accuracy less that of the baseline."""
    size = len(labels)

    def values(counts: NDArray[np.int64]) -> list[float]:
        confusion = np.bincount(cells, weights=counts, minlength=size**2).astype(np.int64).reshape(size, size)
        summary = macro(confusion)
        lead = summary[0] - float(counts @ baseline_hits) / len(cells)
        return [lead, *summary, *per_class(confusion)[2].tolist()]

    lead, *ends = bootstrap(values, len(cells), samples=config.bootstrap_samples, seed=config.seed)
    return (
        dict(zip(MACRO, ends[: len(MACRO)], strict=True)),
        dict(zip(labels, ends[len(MACRO) :], strict=True)),
        lead,
    )
