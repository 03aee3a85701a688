"""Blocks of packed text as what each objective learns from.

All objectives read the same blocks in the same order; what is hidden of them follows from the seed and the position.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from schemas.config.objective import ObjectiveConfig
from tasks.modeling.attention import Ids, places_of, segments_of
from tasks.modeling.corruption.denoising import Denoising
from tasks.modeling.corruption.masking import Masking
from tasks.modeling.objectives import (
    Batch,
    LanguageObjective,
    language_modeling_loss,
    masked_language_modeling_loss,
    sequence_to_sequence_loss,
)
from tasks.modeling.training_interface import Batches
from tasks.pretrain.pieces import continues_word

Rows = dict[str, Ids]


@dataclass(frozen=True, slots=True)
class Learning:
    """What a model learns and how blocks become samples of it.

    Attributes:
        objective: The loss of a batch.
        prepare: Turns ids, segments and the first position into the fields of a batch; None: blocks are samples.
    """

    objective: LanguageObjective
    prepare: Callable[[Ids, Ids, int], Rows] | None

    def samples(self, blocks: Batches) -> Batches:
        """Returns the samples made of blocks, `batches(position, count)` like them."""
        return functools.partial(self._batch, blocks)

    def _batch(self, blocks: Batches, position: int, count: int) -> Batch:
        read = blocks(position, count)
        segments = segments_of(read["position_ids"].numpy())
        if self.prepare is None:
            return {**read, "position_ids": torch.from_numpy(places_of(segments))}
        rows = self.prepare(read["input_ids"].numpy(), segments, position)
        return {name: torch.from_numpy(row) for name, row in rows.items()}


def learning(config: ObjectiveConfig, model: Any, pieces: list[str], seed: int) -> Learning:
    """Returns what a model learns.

    Args:
        config: The objective, with nothing left open.
        model: A language model of transformers that suits it.
        pieces: Those of its tokenizer, by id.
        seed: Of what is hidden.
    """
    if config.kind == "causal":
        return Learning(language_modeling_loss, None)
    assert config.fraction is not None, "the planner resolves it before the key"
    if config.kind == "masked":
        masking = Masking(
            vocabulary=len(pieces),
            seed=seed,
            fraction=config.fraction,
            masked=config.masked,
            replaced=config.replaced,
            continues_word=continues_word(pieces) if config.whole_words else None,
        )

        def hide(ids: Ids, segments: Ids, position: int) -> Rows:
            seen, labels = masking.hide(ids, position)
            return {"input_ids": seen, "labels": labels, "segments": segments, "position_ids": places_of(segments)}

        return Learning(masked_language_modeling_loss, hide)
    kind: Literal["span_corruption", "infilling"] = (
        "span_corruption" if config.kind == "span_corruption" else "infilling"
    )
    start = int(model.config.decoder_start_token_id)
    return Learning(sequence_to_sequence_loss, Denoising(kind, start, seed, config.fraction, config.mean_span).pairs)
