"""The form of `evaluate` for pretrained models: perplexity and bits per byte of the test split, per language.

Bits per byte divide what the tokens cost by the bytes of the text, so models with other tokenizers can be compared;
perplexity is per token and cannot. The metrics' columns of predictions are what the model pays for each document, in
nats, and those of references its bytes or tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.config.evaluate import EvaluateConfig
from schemas.scores import Baseline, Score
from tasks.evaluate.baselines import UnigramModel
from tasks.evaluate.intervals import bootstrap
from tasks.evaluate.metrics import BitsPerByte, Perplexity, bits_per_byte, perplexity

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


def language_model_scores(scored: ScoredDocuments, cache: Path, config: EvaluateConfig) -> list[Score]:
    """Returns bits per byte and perplexity over all documents, then for each language where there are several.

    The whole is compared with a unigram model of all training tokens, a language with one of its own training tokens:
    a mixed unigram model would be an easy mark for either language.

    Args:
        scored: What the documents cost.
        cache: A folder for what the `evaluate` library insists on creating.
        config: Settings of the stage.
    """
    present = sorted(set(scored.languages))
    groups = ["all", *present] if len(present) > 1 else ["all"]
    scores: list[Score] = []
    for language in groups:
        rows = np.array([language in ("all", other) for other in scored.languages])
        unigram = scored.unigram_nats if language == "all" else scored.own_unigram_nats
        scores += _group_scores(
            language, scored.nats[rows], unigram[rows], scored.tokens[rows], scored.text_bytes[rows], cache, config
        )
    return scores


def _group_scores(
    language: str,
    nats: NDArray[np.float64],
    unigram_nats: NDArray[np.float64],
    tokens: NDArray[np.int64],
    text_bytes: NDArray[np.int64],
    cache: Path,
    config: EvaluateConfig,
) -> list[Score]:
    def of_resample(counts: NDArray[np.int64]) -> list[float]:
        paid = float(counts @ nats)
        return [bits_per_byte(paid, float(counts @ text_bytes)), perplexity(paid, float(counts @ tokens))]

    bits_metric = BitsPerByte(cache_dir=str(cache), keep_in_memory=True, seed=0)
    perplexity_metric = Perplexity(cache_dir=str(cache), keep_in_memory=True, seed=0)
    bits, unigram_bits = (
        bits_metric.compute(predictions=paid, references=text_bytes)["bits_per_byte"] for paid in (nats, unigram_nats)
    )
    per_token, unigram_per_token = (
        perplexity_metric.compute(predictions=paid, references=tokens)["perplexity"] for paid in (nats, unigram_nats)
    )
    intervals = bootstrap(of_resample, len(nats), samples=config.bootstrap_samples, seed=config.seed)
    return [
        Score(
            task=config.task,
            metric="bits_per_byte",
            language=language,
            value=bits,
            low=intervals[0][0],
            high=intervals[0][1],
            n=len(nats),
            better="lower",
            baselines=[Baseline(name="unigram", value=unigram_bits)],
            learned=bits <= config.learned_ratio * unigram_bits,
            signature=BITS_SIGNATURE,
        ),
        Score(
            task=config.task,
            metric="perplexity",
            language=language,
            value=per_token,
            low=intervals[1][0],
            high=intervals[1][1],
            n=len(nats),
            better="lower",
            baselines=[Baseline(name="unigram", value=unigram_per_token)],
            signature="per token",
        ),
    ]
