"""Blocks of packed text as batches, in an order computed from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from schemas.errors import StageFailed
from tasks.engine.stage import InputOutput
from tasks.modeling.objectives import Batch
from tasks.modeling.order import Order
from tasks.tokens.token_set import TokenSet


@dataclass(frozen=True, slots=True)
class Blocks:
    """All blocks of one split.

    Attributes:
        tokens: The token files.
        context_length: Tokens in a block.
        order: Position → block; None reads them as they lie.
    """

    tokens: TokenSet
    context_length: int
    order: Order | None = None

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.tokens.n_blocks(self.context_length)

    def batch(self, position: int, count: int) -> Batch:
        """Returns the blocks at `count` positions from `position` on, each field int64[count, context_length]."""
        places = range(position, position + count)
        numbers = [self.order.sample(place) for place in places] if self.order else places
        blocks = [self.tokens.block(number, self.context_length) for number in numbers]
        return {
            "input_ids": torch.from_numpy(np.stack([block.input_ids for block in blocks])),
            "labels": torch.from_numpy(np.stack([block.labels for block in blocks])),
            "position_ids": torch.from_numpy(np.stack([block.position_ids for block in blocks])),
        }


def token_files(split: str, output: InputOutput) -> TokenSet:
    """Opens the token files of a split: each `X.bin` with its `X.idx`.

    Raises:
        StageFailed: There is a file without its other half.
    """
    files = {file.stored.name: file for file in output.files}
    stems = sorted({name.rpartition(".")[0] for name in files})
    alone = [stem for stem in stems if f"{stem}.bin" not in files or f"{stem}.idx" not in files]
    if alone:
        raise StageFailed("token files without their index, or the other way round", where=split, details=alone)
    return TokenSet([(files[f"{stem}.bin"].path, files[f"{stem}.idx"].path) for stem in stems])
