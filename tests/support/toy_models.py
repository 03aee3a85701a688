"""A toy model of each architecture, and batches of two documents a row in the form that each family reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from schemas.architectures import Architecture
from schemas.tokens import BOS, EOS, PAD, RESERVED
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.attention import Ids, places_of, segments_of
from tasks.modeling.corruption.denoising import Denoising
from tasks.modeling.corruption.masking import Masking
from tasks.modeling.objectives import (
    Batch,
    Objective,
    language_modeling_loss,
    masked_language_modeling_loss,
    sequence_to_sequence_loss,
)

VOCABULARY = RESERVED + 55
WIDTH = 24


def toy_spec(architecture: Architecture, **changes: Any) -> ModelSpec:
    """A spec of 2 heads, 16 wide, one layer a stack, for rows of 24 tokens."""
    both = architecture in ("t5", "bart", "marian")
    spec = ModelSpec(
        vocabulary=VOCABULARY,
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1 if architecture == "llama" else 2,
        intermediate_size=32,
        context_length=WIDTH,
        architecture=architecture,
        decoder_layers=1 if both else 0,
    )
    return replace(spec, **changes)


def rows_of_documents(rows: int, seed: int = 0) -> tuple[Ids, Ids]:
    """Random ids with three documents a row, and their segments: int64[rows, 24] each."""
    draw = np.random.default_rng(seed)
    ids = draw.integers(RESERVED, VOCABULARY, (rows, WIDTH))
    positions = np.tile(np.concatenate([np.arange(40, 47), np.arange(10), np.arange(7)]), (rows, 1))
    ids[:, [7, 17]], ids[:, [6, 16]] = BOS, EOS
    return ids, segments_of(positions)


def toy_batch_of(architecture: Architecture, ids: Ids, segments: Ids, seed: int = 0) -> tuple[Objective, Batch]:
    """The usual objective of an architecture and a batch of it."""
    rows: dict[str, Any]
    if architecture in ("llama", "gpt2"):
        labels = np.full_like(ids, -100)
        followed = (segments[:, 1:] == segments[:, :-1]) & (ids[:, 1:] != PAD)
        labels[:, :-1] = np.where(followed, ids[:, 1:], -100)
        objective: Objective = language_modeling_loss
        rows = {"input_ids": ids, "labels": labels, "position_ids": places_of(segments)}
    elif architecture == "bert":
        seen, labels = Masking(VOCABULARY, seed, fraction=0.3).hide(ids, 0)
        objective = masked_language_modeling_loss
        rows = {"input_ids": seen, "labels": labels, "position_ids": places_of(segments), "segments": segments}
    else:
        start = EOS if architecture == "bart" else 0
        kind: Any = "span_corruption" if architecture == "t5" else "infilling"
        objective = sequence_to_sequence_loss
        rows = Denoising(kind, start, seed, 0.5, mean_span=2.0).pairs(ids, segments, 0)
    return objective, {name: torch.from_numpy(np.ascontiguousarray(row)) for name, row in rows.items()}
