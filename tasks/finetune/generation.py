"""Fine-tuning to write a reply to an input, such as a summary or a translation.

Examples are packed into rows of the context's length, as documents are in pretraining: the trainer's micro-batch of 8
examples of some 90 tokens fills three rows instead of eight with 60 % padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from schemas.config.finetune import FinetuneConfig
from schemas.errors import ConfigError
from schemas.tokens import IGNORED_LABEL, PAD
from tasks.finetune.task import Example, Task
from tasks.modeling.models import load_decoder
from tasks.modeling.objectives import Batch, language_modeling_loss
from tasks.modeling.order import Order
from tasks.modeling.prompts import PROMPT_OVERHEAD, dialogue_ids
from tasks.tokens.encoding import Processor, encode_texts

Dialogue = tuple[list[int], list[int]]
"""Input ids and labels of one example, of equal length."""


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Examples as dialogues.

    Attributes:
        dialogues: One an example.
        width: Longest row.
        order: Position → example; None reads them as they lie.
    """

    dialogues: Sequence[Dialogue]
    width: int
    order: Order | None = None

    def batch(self, position: int, count: int) -> Batch:
        """Returns the dialogues at `count` positions from `position` on, packed into rows: int64[rows, T]."""
        places = range(position, position + count)
        numbers = [self.order.sample(place) for place in places] if self.order else places
        return pack([self.dialogues[number] for number in numbers], self.width)


def generation_task(
    config: FinetuneConfig,
    folder: Path,
    processor: Processor,
    splits: dict[str, list[Example]],
    threads: int,
) -> Task:
    """Returns the task of writing each example's target.

    Raises:
        ConfigError: Input and target together are longer than the model's context.
    """
    model = load_decoder(folder, config.dropout)
    context = int(model.config.max_position_embeddings)
    needed = config.max_input_tokens + config.max_target_tokens + PROMPT_OVERHEAD
    if needed > context:
        raise ConfigError(
            f"max_input_tokens {config.max_input_tokens}, max_target_tokens {config.max_target_tokens} and "
            f"{PROMPT_OVERHEAD} control tokens do not fit into the model's context of {context}",
            where="finetune",
            hint="lower one of them, or raise pretrain.context_length",
        )
    model.config.max_content = config.max_input_tokens  # whoever asks the model must cut inputs as training did

    def dialogues(examples: list[Example]) -> list[Dialogue]:
        replies = encode_texts(processor, [example.target for example in examples], threads)
        return [
            dialogue_ids(example.content, reply, config.max_input_tokens, config.max_target_tokens)
            for example, reply in zip(examples, replies, strict=True)
        ]

    valid = splits["valid"][: config.valid_examples]
    return Task(
        model=model,
        objective=language_modeling_loss,
        train=Dialogues(dialogues(splits["train"]), context, Order(len(splits["train"]), config.seed)).batch,
        valid=Dialogues(dialogues(valid), context).batch,
        n_valid=len(valid),
        use=(
            "`AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` load this folder. A prompt is "
            "assembled from ids: `<s>`, `<user>`, the input's ids (encoded with `split_special_tokens=True`, at most "
            f"{config.max_input_tokens}), `<end>`, `<assistant>`; the reply ends with `<end>`."
        ),
    )


def pack(dialogues: Sequence[Dialogue], width: int) -> Batch:
    """Packs dialogues into as few rows as first-fit of the longest first finds; positions restart at each."""
    rows: list[list[Dialogue]] = []
    room: list[int] = []
    for dialogue in sorted(dialogues, key=lambda dialogue: -len(dialogue[0])):  # stable: the order given breaks ties
        length = len(dialogue[0])
        row = next((number for number, left in enumerate(room) if left >= length), None)
        if row is None:
            rows.append([])
            room.append(width)
            row = len(rows) - 1
        rows[row].append(dialogue)
        room[row] -= length
    longest = width - min(room)
    ids = torch.full((len(rows), longest), PAD)
    labels = torch.full((len(rows), longest), IGNORED_LABEL)
    positions = torch.zeros((len(rows), longest), dtype=torch.int64)
    for number, row_dialogues in enumerate(rows):
        start = 0
        for inputs, targets in row_dialogues:
            stop = start + len(inputs)
            ids[number, start:stop] = torch.tensor(inputs)
            labels[number, start:stop] = torch.tensor(targets)
            positions[number, start:stop] = torch.arange(len(inputs))
            start = stop
        positions[number, start:] = torch.arange(longest - start)  # padding is a document of its own
    return {"input_ids": ids, "labels": labels, "position_ids": positions}
