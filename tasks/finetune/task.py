"""What a kind of task must say for the one trainer to learn it, and the examples it learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.tables import EXAMPLES
from tasks.engine.stage import InputOutput
from tasks.modeling.objectives import Loss
from tasks.modeling.training_interface import Batches
from tasks.tables.parquet import read_table
from tasks.tokens.encoding import Processor, encode_texts


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled example; `content` are the ids of its input, never a reserved one."""

    content: Sequence[int]
    target: str


@dataclass(frozen=True, slots=True)
class Task:
    """One task, ready to be trained.

    Attributes:
        model: With weights to start from.
        objective: What is made small; takes `z_loss` and `label_smoothing` besides.
        train: Batches of training examples, in an order computed from the seed.
        valid: Batches of validation examples as they lie.
        n_valid: How many of these count.
        use: How to ask the model, for its card.
        measure: Further figures of the trained model.
    """

    model: Any
    objective: Callable[..., Loss]
    train: Batches
    valid: Batches
    n_valid: int
    use: str
    measure: Callable[[Any], dict[str, float]] = field(default=lambda model: {})


def read_examples(split: InputOutput, processor: Processor, threads: int) -> list[Example]:
    """Reads and encodes a split's examples, in their order."""
    table = read_table([file.path for file in split.files], EXAMPLES, ["input", "target"])
    contents = encode_texts(processor, table["input"].to_pylist(), threads)
    return [Example(content, target) for content, target in zip(contents, table["target"].to_pylist(), strict=True)]
