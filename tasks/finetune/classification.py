"""Fine-tuning to give each input one of a few labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from schemas.config.finetune import FinetuneConfig
from schemas.errors import ConfigError, StageFailed
from tasks.finetune.task import Example, Task
from tasks.modeling.models import load_as_classifier
from tasks.modeling.objectives import Batch, classification_loss
from tasks.modeling.order import Order
from tasks.modeling.predict import Classifier, pad_right, predict
from tasks.modeling.prompts import CLASSIFIED_OVERHEAD, classified_ids


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Examples as rows of ids and numbers of labels.

    Attributes:
        rows: Ids of each example.
        labels: Its label's number.
        order: Position → example; None reads them as they lie.
    """

    rows: Sequence[list[int]]
    labels: Sequence[int]
    order: Order | None = None

    def batch(self, position: int, count: int) -> Batch:
        """Returns the examples at `count` positions from `position` on."""
        places = range(position, position + count)
        numbers = [self.order.sample(place) for place in places] if self.order else list(places)
        return {
            "input_ids": pad_right([self.rows[number] for number in numbers]),
            "labels": torch.tensor([self.labels[number] for number in numbers]),
        }


def classification_task(
    config: FinetuneConfig, folder: Path, splits: dict[str, list[Example]], warn: Callable[[str], None]
) -> Task:
    """Returns the task of telling each example's target; labels are numbered in their sorted order.

    Raises:
        StageFailed: There are fewer than two labels, or more than the configuration allows.
        ConfigError: An input does not fit into the model's context.
    """
    names = sorted({example.target for example in splits["train"]})
    if not 2 <= len(names) <= config.max_labels:
        raise StageFailed(
            f"the training examples have {len(names)} different labels; 2 to {config.max_labels} can be learnt",
            where="train",
            hint="were texts meant, the kind is generation; else raise max_labels",
        )
    known = {name: number for number, name in enumerate(names)}
    valid = [example for example in splits["valid"] if example.target in known]
    if len(valid) < len(splits["valid"]):
        warn(f"{len(splits['valid']) - len(valid)} validation examples have labels that training has not: left out")
    valid = valid[: config.valid_examples]
    if not valid:
        raise StageFailed("no validation example has a label of the training examples", where="valid")
    model = load_as_classifier(folder, names, config.seed, config.dropout)
    context = int(model.config.max_position_embeddings)
    if config.max_input_tokens + CLASSIFIED_OVERHEAD > context:
        raise ConfigError(
            f"max_input_tokens {config.max_input_tokens} and {CLASSIFIED_OVERHEAD} control tokens do not fit into the "
            f"model's context of {context}",
            where="finetune",
            hint="lower it, or raise pretrain.context_length",
        )
    model.config.max_content = config.max_input_tokens  # whoever asks the model must cut inputs as training did

    def rows(examples: list[Example], order: Order | None) -> LabelledRows:
        ids = [classified_ids(example.content, config.max_input_tokens) for example in examples]
        return LabelledRows(ids, [known[example.target] for example in examples], order)

    def measure(trained: Any) -> dict[str, float]:
        classifier = Classifier(trained, names, config.max_input_tokens)
        found = predict(classifier, [example.content for example in valid])
        right = sum(guess.label == example.target for guess, example in zip(found, valid, strict=True))
        return {"valid_accuracy": right / len(valid), "labels": len(names)}

    return Task(
        model=model,
        objective=classification_loss,
        train=rows(splits["train"], Order(len(splits["train"]), config.seed)).batch,
        valid=rows(valid, None).batch,
        n_valid=len(valid),
        use=(
            "`AutoModelForSequenceClassification.from_pretrained` and `AutoTokenizer.from_pretrained` load this "
            "folder. A row is `<s>`, the input's ids (encoded with `split_special_tokens=True`, at most "
            f"{config.max_input_tokens}), `</s>`, padded on the right; the model reads its label at `</s>`."
        ),
        measure=measure,
    )
