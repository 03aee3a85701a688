"""Labels for texts, from the folder of a fine-tuned classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from schemas.errors import StageFailed
from schemas.tokens import PAD
from tasks.modeling.models import is_classifier, load_pretrained
from tasks.modeling.prompts import classified_ids


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label of a text.

    Attributes:
        label: Its name.
        probabilities: Of every label, in the labels' order.
    """

    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier ready to predict.

    Attributes:
        model: The model of transformers.
        labels: Names of the classes, by number.
        max_content: Tokens of a text that are looked at.
    """

    model: Any
    labels: list[str]
    max_content: int


def load_classifier(folder: Path) -> Classifier:
    """Loads a classifier: float32, in evaluation mode.

    Raises:
        StageFailed: The folder holds no classifier.
    """
    model = load_pretrained(AutoModelForSequenceClassification, folder)
    config = model.config
    if not is_classifier(config):
        raise StageFailed(
            "the model is no classifier", where="model", hint="give the model of a fine-tuning of kind classification"
        )
    labels = [config.id2label[number] for number in range(config.num_labels)]
    return Classifier(model, labels, int(getattr(config, "max_content", config.max_position_embeddings - 2)))


@torch.inference_mode()
def predict(classifier: Classifier, contents: Sequence[Sequence[int]], batch_size: int = 32) -> list[Prediction]:
    """Predicts a label for each text, in their order.

    Args:
        classifier: From `load_classifier`.
        contents: Ids of each text, encoded without control ids.
        batch_size: Texts at once; those of like length share a batch.
    """
    rows = [classified_ids(content, classifier.max_content) for content in contents]
    order = sorted(range(len(rows)), key=lambda number: (len(rows[number]), number))
    found: list[Prediction | None] = [None] * len(rows)
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        logits = classifier.model(input_ids=pad_right([rows[number] for number in numbers]), use_cache=False).logits
        for number, row in zip(numbers, torch.softmax(logits.float(), dim=-1).tolist(), strict=True):
            probabilities = dict(zip(classifier.labels, row, strict=True))
            found[number] = Prediction(max(probabilities, key=lambda label: probabilities[label]), probabilities)
    return [prediction for prediction in found if prediction is not None]


def pad_right(rows: Sequence[Sequence[int]], value: int = PAD) -> torch.Tensor:
    """Returns int64[B, T] with every row filled up on its right to the longest."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *([value] * (longest - len(row)))] for row in rows])
