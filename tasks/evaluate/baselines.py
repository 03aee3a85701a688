"""What trivial methods reach on the same examples: the least that a model must be compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.choice import keyed_hash
from tasks.evaluate.segmentation import lead, units

COPY_RATIO = 2.0
"""Copying the input is a baseline (of translation) where inputs are at most so many times as long as targets; for
summaries it would only say that the input is long."""


def lead_outputs(
    inputs: Sequence[str], languages: Sequence[str], train: Sequence[tuple[str, str]]
) -> tuple[dict[str, int], list[str]]:
    """Returns k for each language of the inputs, and the first k units of every input.

    k is the mean length of the training targets in the same language, in units: a Chinese target of as much meaning has
    twice as many as an English one. A language without training targets takes the mean of all.

    Args:
        inputs: The test inputs.
        languages: Their languages.
        train: (language, target) of the training examples.
    """
    lengths: dict[str, list[int]] = {}
    for language, target in train:
        lengths.setdefault(language, []).append(len(units(target)))
    everything = [length for found in lengths.values() for length in found] or [1]
    k = {language: _mean(lengths.get(language, everything)) for language in sorted(set(languages))}
    return k, [lead(text, k[language]) for text, language in zip(inputs, languages, strict=True)]


def _mean(lengths: Sequence[int]) -> int:
    return max(1, round(sum(lengths) / len(lengths)))


def unrelated_outputs(
    identities: Sequence[str], languages: Sequence[str], train: Sequence[tuple[str, str]], seed: int
) -> list[str]:
    """Returns for every example the target of some training example, of the same language where there is one.

    Args:
        identities: Ids of the test examples, from which the draw follows.
        languages: Their languages.
        train: (language, target) of the training examples.
        seed: Seed of the draw.
    """
    everything = [target for _, target in train] or [""]
    by_language: dict[str, list[str]] = {}
    for language, target in train:
        by_language.setdefault(language, []).append(target)
    outputs = []
    for identity, language in zip(identities, languages, strict=True):
        pool = by_language.get(language, everything)
        outputs.append(pool[int.from_bytes(keyed_hash(identity.encode(), seed), "big") % len(pool)])
    return outputs


def copying_is_plausible(train: Sequence[tuple[str, str]]) -> bool:
    """Says whether the inputs of (input, target) pairs are short enough for a copy to be an answer."""
    of_inputs = sum(len(units(text)) for text, _ in train)
    of_targets = sum(len(units(target)) for _, target in train)
    return of_inputs <= COPY_RATIO * of_targets


def majority(labels: Sequence[str]) -> str:
    """Returns the most frequent label; of equally frequent ones the first in order."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


class UnigramModel:
    """Predicts every token from how often it occurs in training, whatever stands before it.

    Counts are smoothed by adding one (Laplace), so that a token never seen in training costs a finite number of bits.

    Args:
        counts: int64[vocabulary], occurrences of each token in the training split.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        smoothed = counts.astype(np.float64) + 1.0
        self._nats = np.log(smoothed.sum()) - np.log(smoothed)

    def nats(self, tokens: NDArray[np.integer]) -> float:
        """Returns the negative log-likelihood of tokens: uint16[n] or wider."""
        return float(self._nats[tokens].sum())
