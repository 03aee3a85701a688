"""Scores of generated texts: BLEU, chrF, ROUGE and exact match, beside lead-k, unrelated targets and copying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.config.evaluate import EvaluateConfig
from schemas.scores import Baseline, Score
from tasks.evaluate.baselines import copying_is_plausible, lead_outputs, unrelated_outputs
from tasks.evaluate.examples import Example
from tasks.evaluate.intervals import bootstrap
from tasks.evaluate.metrics import ROUGE_TYPES, Bleu, Chrf, ExactMatch, Rouge, bleu_of
from tasks.evaluate.segmentation import is_chinese

METRICS = ("bleu", "chrf", *ROUGE_TYPES, "exact_match")

ROUGE_SIGNATURE = "f1|mean of examples|units:han characters and words|stemmer:no"


class GenerationMetrics:
    """The metrics of one evaluation; they keep their buffers in memory and nothing below the user's home.

    Args:
        cache: A folder for what the `evaluate` library insists on creating.
    """

    def __init__(self, cache: Path) -> None:
        settings: dict[str, Any] = {"cache_dir": str(cache), "keep_in_memory": True, "seed": 0}
        self._bleu = Bleu(**settings)
        self._chrf = Chrf(**settings)
        self._rouge = Rouge(**settings)
        self._exact = ExactMatch(**settings)

    def compute(self, outputs: Sequence[str], targets: Sequence[str]) -> dict[str, Any]:
        """Returns every value of `METRICS`, `signatures` and `statistics` by metric."""
        pair = {"predictions": list(outputs), "references": list(targets)}
        bleu = self._bleu.compute(**pair, tokenize="zh" if is_chinese(targets) else "13a")
        chrf = self._chrf.compute(**pair)
        rouge = self._rouge.compute(**pair)
        exact = self._exact.compute(**pair)
        return {
            "bleu": bleu["bleu"],
            "chrf": chrf["chrf"],
            **{kind: rouge[kind] for kind in ROUGE_TYPES},
            "exact_match": exact["exact_match"],
            "signatures": {"bleu": bleu["signature"], "chrf": chrf["signature"]}
            | dict.fromkeys(ROUGE_TYPES, ROUGE_SIGNATURE),
            "statistics": {"bleu": bleu["statistics"], "rouge": rouge["statistics"], "exact": exact["statistics"]},
        }


def baseline_outputs(train: Sequence[Example], test: Sequence[Example], seed: int) -> dict[str, list[str]]:
    """Returns what each trivial method would answer, by its name."""
    pairs = [(example.input, example.target) for example in train]
    targets = [(example.language, example.target) for example in train]
    inputs = [example.input for example in test]
    languages = [example.language for example in test]
    k, leads = lead_outputs(inputs, languages, targets)
    outputs = {
        _lead_name(k): leads,
        "unrelated target": unrelated_outputs([example.id for example in test], languages, targets, seed),
    }
    if copying_is_plausible(pairs):
        outputs["copy of the input"] = inputs
    return outputs


def _lead_name(k: Mapping[str, int]) -> str:
    """Returns `lead-10`, or `lead-k (en 10, zh 20)` for several languages."""
    if len(k) == 1:
        return f"lead-{next(iter(k.values()))}"
    return f"lead-k ({', '.join(f'{language} {length}' for language, length in k.items())})"


def generation_scores(
    test: Sequence[Example],
    outputs: Sequence[str],
    baselines: Mapping[str, Sequence[str]],
    metrics: GenerationMetrics,
    config: EvaluateConfig,
) -> list[Score]:
    """Returns the scores over all examples, then for each language where there are several.

    chrF has no interval: sacrebleu does not hand out its statistics, and BLEU's and ROUGE's intervals say enough about
    how far the examples carry.
    """
    present = sorted({example.language for example in test})
    groups = ["all", *present] if len(present) > 1 else ["all"]
    scores: list[Score] = []
    for language in groups:
        rows = [row for row, example in enumerate(test) if language in ("all", example.language)]
        targets = [test[row].target for row in rows]
        found = metrics.compute([outputs[row] for row in rows], targets)
        trivial = {name: metrics.compute([other[row] for row in rows], targets) for name, other in baselines.items()}
        intervals = _intervals(found["statistics"], len(rows), config)
        scores += [
            Score(
                task=config.task,
                metric=metric,
                language=language,
                value=found[metric],
                low=intervals[metric][0] if metric in intervals else None,
                high=intervals[metric][1] if metric in intervals else None,
                n=len(rows),
                better="higher",
                baselines=[Baseline(name=name, value=values[metric]) for name, values in trivial.items()],
                signature=found["signatures"].get(metric, ""),
            )
            for metric in METRICS
        ]
    return scores


def _intervals(statistics: dict[str, NDArray[Any]], n: int, config: EvaluateConfig) -> dict[str, tuple[float, float]]:
    means = np.column_stack([statistics["rouge"], statistics["exact"]])

    def values(counts: NDArray[np.int64]) -> list[float]:
        return [bleu_of(counts @ statistics["bleu"]), *((counts @ means) / n).tolist()]

    ends = bootstrap(values, n, samples=config.bootstrap_samples, seed=config.seed)
    return dict(zip(("bleu", *ROUGE_TYPES, "exact_match"), ends, strict=True))
