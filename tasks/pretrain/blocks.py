"""Blocks of packed text as batches, in an order computed from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from schemas.errors import StageFailed
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


def token_files(files: Sequence[Path], split: str) -> TokenSet:
    """Opens the token files of a split: each `X.bin` with its `X.idx`.

    Raises:
        StageFailed: There is a file without its other half.
    """
    tokens = {file.name.removesuffix(".bin"): file for file in files if file.suffix == ".bin"}
    indexes = {file.name.removesuffix(".idx"): file for file in files if file.suffix == ".idx"}
    if tokens.keys() != indexes.keys():
        alone = sorted(tokens.keys() ^ indexes.keys())
        raise StageFailed("token files without their index, or the other way round", where=split, details=alone)
    return TokenSet([(tokens[name], indexes[name]) for name in sorted(tokens)])
