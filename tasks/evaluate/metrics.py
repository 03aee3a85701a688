"""The metrics, as `evaluate.Metric` classes that work without a network.

`evaluate.load("sacrebleu")` fetches its script from a hub at run time; these classes hold the few lines themselves and
leave the counting to sacrebleu and rouge-score. Beside its value each returns what `intervals.bootstrap` recomputes it
from, `statistics` per example, unless its inputs are that already. After torch and transformers, which an evaluation
needs anyway, importing `evaluate` costs 1.4 CPU s and 110 MB more, rouge-score another 0.6 s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, Value
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from tasks.evaluate.segmentation import UnitTokenizer

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
ORDERS = 4
"""BLEU counts n-grams up to this length."""


def _info(description: str, citation: str) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(
        description=description,
        citation=citation,
        inputs_description="predictions and references: one text or label each.",
        features=Features({"predictions": Value("string"), "references": Value("string")}),
    )


def _likelihood_info(description: str, unit: str) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description=f"predictions: nats that the model pays for each document; references: its {unit}.",
        features=Features({"predictions": Value("float64"), "references": Value("int64")}),
    )


class BitsPerByte(evaluate.Metric):  # type: ignore[misc]
    """What a language model pays for a byte of text; models with different tokenizers can be compared by it."""

    def _info(self) -> evaluate.MetricInfo:
        return _likelihood_info("Bits per byte of UTF-8.", "bytes")

    def _compute(self, predictions: Sequence[float], references: Sequence[int]) -> dict[str, float]:
        return {"bits_per_byte": bits_per_byte(math.fsum(predictions), sum(references))}


class Perplexity(evaluate.Metric):  # type: ignore[misc]
    """How many tokens a language model wavers between, on (geometric) average; depends on the tokenizer."""

    def _info(self) -> evaluate.MetricInfo:
        return _likelihood_info("Perplexity per token.", "predicted tokens")

    def _compute(self, predictions: Sequence[float], references: Sequence[int]) -> dict[str, float]:
        return {"perplexity": perplexity(math.fsum(predictions), sum(references))}


def bits_per_byte(nats: float, text_bytes: float) -> float:
    """Returns the bits that each byte costs where a text of so many bytes costs so many nats."""
    return nats / math.log(2) / text_bytes


def perplexity(nats: float, tokens: float) -> float:
    """Returns the exponential of the mean nats a token; infinite where floats end."""
    try:
        return math.exp(nats / tokens)
    except OverflowError:
        return math.inf


class Bleu(evaluate.Metric):  # type: ignore[misc]
    """Corpus BLEU, 0 to 100 (Papineni et al. 2002; sacrebleu, Post 2018).

    `compute(..., tokenize=)` takes sacrebleu's tokenizer: `13a`, or `zh`, which splits Han characters.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Corpus BLEU by sacrebleu.", "Post 2018, A Call for Clarity in Reporting BLEU Scores")

    def _compute(self, predictions: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> dict[str, Any]:
        corpus = BLEU(tokenize=tokenize)
        value = corpus.corpus_score(list(predictions), [list(references)]).score
        sentence = BLEU(tokenize=tokenize, effective_order=True)
        statistics = []
        for prediction, reference in zip(predictions, references, strict=True):
            score = sentence.sentence_score(prediction, [reference])
            statistics.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
        return {
            "bleu": float(value),
            "signature": str(corpus.get_signature()),
            "statistics": np.array(statistics, dtype=np.int64).reshape(-1, 2 + 2 * ORDERS),
        }


def bleu_of(totals: NDArray[np.int64]) -> float:
    """Returns the corpus BLEU of summed statistics: int64[10] (lengths of output and reference, matches, n-grams)."""
    values = [int(value) for value in totals]
    score = BLEU.compute_bleu(
        correct=values[2 : 2 + ORDERS],
        total=values[2 + ORDERS :],
        sys_len=values[0],
        ref_len=values[1],
        smooth_method="exp",
    )
    return float(score.score)


class Chrf(evaluate.Metric):  # type: ignore[misc]
    """Corpus chrF, 0 to 100 (Popović 2015): character n-grams, so it needs no segmentation in either language."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Corpus chrF by sacrebleu.", "Popović 2015, chrF: character n-gram F-score")

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        metric = CHRF()
        value = metric.corpus_score(list(predictions), [list(references)]).score
        return {"chrf": float(value), "signature": str(metric.get_signature())}


class Rouge(evaluate.Metric):  # type: ignore[misc]
    """Mean F1 of ROUGE-1, -2 and -L, 0 to 1 (Lin 2004), over Han characters and words."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("ROUGE by rouge-score.", "Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries")

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        scorer = RougeScorer(list(ROUGE_TYPES), tokenizer=UnitTokenizer())
        rows = [
            [scores[kind].fmeasure for kind in ROUGE_TYPES] for scores in map(scorer.score, references, predictions)
        ]
        statistics = np.array(rows, dtype=np.float64).reshape(-1, len(ROUGE_TYPES))
        means = statistics.mean(axis=0)
        return {kind: float(mean) for kind, mean in zip(ROUGE_TYPES, means, strict=True)} | {"statistics": statistics}


class ExactMatch(evaluate.Metric):  # type: ignore[misc]
    """Share of outputs equal to their reference, white space apart."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Exact match, white space normalised.", "")

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        statistics = np.array(
            [" ".join(a.split()) == " ".join(b.split()) for a, b in zip(predictions, references, strict=True)],
            dtype=np.float64,
        )
        return {"exact_match": float(statistics.mean()), "statistics": statistics}


class Classification(evaluate.Metric):  # type: ignore[misc]
    """Accuracy, macro precision, recall and F1, and the same per class.

    Classes are those that occur among predictions or references; an undefined ratio counts as 0, as in scikit-learn
    with `zero_division=0`, against which the tests compare.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Accuracy and macro-averaged precision, recall and F1.", "")

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        labels = sorted({*predictions, *references})
        number = {label: position for position, label in enumerate(labels)}
        cells = np.array(
            [number[b] * len(labels) + number[a] for a, b in zip(predictions, references, strict=True)], dtype=np.int64
        )
        confusion = np.bincount(cells, minlength=len(labels) ** 2).reshape(len(labels), len(labels))
        precision, recall, f1 = per_class(confusion)
        summary = dict(zip(MACRO, macro(confusion), strict=True))
        classes = {
            label: {"precision": float(precision[c]), "recall": float(recall[c]), "f1": float(f1[c])}
            | {"support": int(confusion[c].sum())}
            for c, label in enumerate(labels)
        }
        return {**summary, "classes": classes, "statistics": cells}


MACRO = ("accuracy", "precision_macro", "recall_macro", "f1_macro")

Ratios = NDArray[np.float64]


def per_class(confusion: NDArray[np.int64]) -> tuple[Ratios, Ratios, Ratios]:
    """Returns precision, recall and F1: float64[classes] of a confusion matrix, rows being references."""
    hits = np.diagonal(confusion).astype(np.float64)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(actual, 1)
    f1 = 2 * hits / np.maximum(predicted + actual, 1)
    return precision, recall, f1


def macro(confusion: NDArray[np.int64]) -> list[float]:
    """Returns accuracy and the unweighted means over the classes that occur, in the order of `MACRO`."""
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    means = [float(values[occurs].mean()) for values in per_class(confusion)]
    return [float(np.trace(confusion) / confusion.sum()), *means]
