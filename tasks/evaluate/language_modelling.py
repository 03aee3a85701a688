"""The form of `evaluate` for pretrained models: perplexity and bits per byte of the test split, per language.

Bits per byte divide what the tokens cost by the bytes of the text, so models with other tokenizers can be compared;
perplexity is per token and cannot. Perplexity here is a plain function, not an `evaluate.Metric`: what it needs is the
model's loss, which that class's columns of predictions and references do not carry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.evaluate import EvaluateConfig
from schemas.scores import Baseline, Score
from tasks.evaluate.baselines import UnigramModel
from tasks.evaluate.intervals import bootstrap

BITS_SIGNATURE = "documents scored alone|from:<s>|to:</s>|window:context|stride:context/2|bytes:utf-8"


@dataclass(frozen=True, slots=True)
class ScoredDocuments:
    """What documents cost: one row each.

    Attributes:
        nats: float64[n], under the model.
        unigram_nats: float64[n], under a unigram model of all training tokens.
        own_unigram_nats: float64[n], under a unigram model of the training tokens of the document's language.
        tokens: int64[n], tokens that were predicted.
        text_bytes: int64[n], UTF-8 bytes of the text.
        languages: Language of each.
    """

    nats: NDArray[np.float64]
    unigram_nats: NDArray[np.float64]
    own_unigram_nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    text_bytes: NDArray[np.int64]
    languages: Sequence[str]


def unigram_models(
    documents: Iterable[NDArray[np.int64]], languages: Sequence[str], vocabulary: int
) -> tuple[UnigramModel, dict[str, UnigramModel]]:
    """Returns a unigram model of all training documents and one per language; `<s>`, never predicted, not counted."""
    counts: dict[str, NDArray[np.int64]] = {}
    for tokens, language in zip(documents, languages, strict=True):
        if language not in counts:
            counts[language] = np.zeros(vocabulary, dtype=np.int64)
        counts[language] += np.bincount(tokens[1:], minlength=vocabulary)
    total = sum(counts.values(), start=np.zeros(vocabulary, dtype=np.int64))
    return UnigramModel(total), {language: UnigramModel(counts[language]) for language in sorted(counts)}


def language_model_scores(scored: ScoredDocuments, config: EvaluateConfig) -> list[Score]:
    """Returns bits per byte and perplexity over all documents, then for each language where there are several.

    The whole is compared with a unigram model of all training tokens, a language with one of its own training tokens:
    a mixed unigram model would be an easy mark for either language.
    """
    present = sorted(set(scored.languages))
    groups = ["all", *present] if len(present) > 1 else ["all"]
    scores: list[Score] = []
    for language in groups:
        rows = np.array([language in ("all", other) for other in scored.languages])
        unigram = scored.unigram_nats if language == "all" else scored.own_unigram_nats
        scores += _group_scores(
            language,
            np.stack([scored.nats, unigram, scored.tokens, scored.text_bytes], axis=1)[rows].astype(np.float64),
            config,
        )
    return scores


def _group_scores(language: str, table: NDArray[np.float64], config: EvaluateConfig) -> list[Score]:
    def values(weights: NDArray[np.int64]) -> list[float]:
        nats, _, tokens, text_bytes = (float(total) for total in weights @ table)
        return [_bits_per_byte(nats, text_bytes), _perplexity(nats, tokens)]

    n = len(table)
    once = np.ones(n, dtype=np.int64)
    bits, perplexity = values(once)
    _, unigram_nats, tokens, text_bytes = (float(total) for total in once @ table)
    unigram_bits = _bits_per_byte(unigram_nats, text_bytes)
    intervals = bootstrap(values, n, samples=config.bootstrap_samples, seed=config.seed)
    return [
        Score(
            task=config.task,
            metric="bits_per_byte",
            language=language,
            value=bits,
            low=intervals[0][0],
            high=intervals[0][1],
            n=n,
            better="lower",
            baselines=[Baseline(name="unigram", value=unigram_bits)],
            learned=bits <= config.learned_ratio * unigram_bits,
            signature=BITS_SIGNATURE,
        ),
        Score(
            task=config.task,
            metric="perplexity",
            language=language,
            value=perplexity,
            low=intervals[1][0],
            high=intervals[1][1],
            n=n,
            better="lower",
            baselines=[Baseline(name="unigram", value=_perplexity(unigram_nats, tokens))],
            signature="per token",
        ),
    ]


def _bits_per_byte(nats: float, text_bytes: float) -> float:
    return nats / math.log(2) / text_bytes


def _perplexity(nats: float, tokens: float) -> float:
    try:
        return math.exp(nats / tokens)
    except OverflowError:
        return math.inf
