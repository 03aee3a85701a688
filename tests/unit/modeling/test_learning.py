"""A toy training of each architecture learns: far below what knowing the frequencies of tokens gives."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_models import toy_batch_of, toy_spec
from toy_training import SETTINGS

from schemas.architectures import ARCHITECTURES, Architecture
from schemas.tokens import BOS, EOS, RESERVED
from tasks.modeling.attention import Ids, segments_of
from tasks.modeling.checkpoints import Checkpoints
from tasks.modeling.models import build_model
from tasks.modeling.objectives import Batch
from tasks.modeling.optimizers import OptimizerSettings
from tasks.modeling.trainer import Callbacks, train

TOKENS = 24
UNIGRAM_NATS = math.log(TOKENS)
FOLLOWERS = np.random.default_rng(0).permutation(TOKENS)
STEPS = 200


def walks(position: int, count: int) -> tuple[Ids, Ids]:
    """Two documents a row, each a walk through one fixed cycle of followers from a random start."""
    rows = []
    for place in range(position, position + count):
        row: list[int] = []
        for token in np.random.default_rng(place).integers(0, TOKENS, 2):
            row.append(BOS)
            for _ in range(10):
                row.append(RESERVED + int(token))
                token = FOLLOWERS[token]
            row.append(EOS)
        rows.append(row)
    return np.array(rows), segments_of(np.tile(np.tile(np.arange(12), 2), (count, 1)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_learns_far_more_than_frequencies(architecture: Architecture, tmp_path: Path) -> None:
    heads = 4
    spec = toy_spec(architecture, hidden_size=64, heads=heads, intermediate_size=128, kv_heads=heads)
    objective, _ = toy_batch_of(architecture, *walks(0, 1))

    def batches(position: int, count: int) -> Batch:
        return toy_batch_of(architecture, *walks(position, count), seed=position)[1]

    settings = replace(
        SETTINGS,
        steps=STEPS,
        batch_size=16,
        micro_batch_size=16,
        optimizer=OptimizerSettings(learning_rate=0.005),
        checkpoint_every=STEPS,
        evaluate_every=0,
    )
    model = build_model(spec, seed=0)
    result = train(model, objective, batches, settings, Checkpoints(tmp_path, lambda message: None), Callbacks())
    assert result.records[0].loss > 0.9 * UNIGRAM_NATS
    assert result.mean_loss(20) < 0.55 * UNIGRAM_NATS
