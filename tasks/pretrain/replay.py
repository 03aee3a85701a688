"""New text and old in shares: a model that learns only what is new forgets what it knew.

The blocks of a split are parted by what most of their tokens come from: documents that the parent was trained on, or
others. Each part has an order of its own, and of any stretch of positions each part has its share, to one block. A
small share of old text keeps most of what was known (Ibrahim et al., "Simple and scalable strategies to continually
pre-train large language models", 2024: warming up again, and 1 to 5 % for a weak, up to 50 % for a strong change).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from tasks.modeling.objectives import Batch
from tasks.modeling.order import Order
from tasks.pretrain.blocks import Blocks
from tasks.tokens.token_set import TokenSet


@dataclass(frozen=True, slots=True)
class Replay:
    """Two parts of a split's blocks, read in shares.

    Attributes:
        blocks: All of them, as they lie.
        new: int64[n], numbers of the blocks of new text.
        old: int64[m], numbers of the others.
        share: Share of the positions that read old text, above 0 and below 1 where there are both.
        seed: Decides both orders.
    """

    blocks: Blocks
    new: npt.NDArray[np.int64]
    old: npt.NDArray[np.int64]
    share: Fraction
    seed: int

    def batch(self, position: int, count: int) -> Batch:
        """Returns the blocks at `count` positions from `position` on, as `Blocks.batch` does."""
        rows = [self.blocks.batch(self.number(place), 1) for place in range(position, position + count)]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def number(self, position: int) -> int:
        """Returns the block that is read at a position."""
        before, after = (place * self.share.numerator // self.share.denominator for place in (position, position + 1))
        if after > before:
            return int(self.old[Order(len(self.old), self.seed).sample(before)])
        return int(self.new[Order(len(self.new), self.seed).sample(position - before)])


def replayed(tokens: TokenSet, is_new: npt.NDArray[np.bool_], context_length: int, share: float, seed: int) -> Replay:
    """Parts the blocks of a split; where one part is empty, all positions read the other.

    Args:
        tokens: The split.
        is_new: bool[n_documents], documents that the parent was not trained on.
        context_length: Tokens in a block.
        share: Share of the positions that read old text.
        seed: Decides both orders.
    """
    ends = tokens.document_ends
    starts = np.concatenate([[0], ends[:-1]])
    total = np.concatenate([[0], np.cumsum(np.where(is_new, ends - starts, 0))])
    bounds = np.minimum(np.arange(tokens.n_blocks(context_length) + 1) * context_length, tokens.n_tokens)
    inside = np.minimum(np.searchsorted(ends, bounds, side="right"), len(ends) - 1)
    before = total[inside] + np.where(is_new[inside], bounds - starts[inside], 0)
    mostly_new = 2 * np.diff(before) > np.diff(bounds)
    new, old = np.flatnonzero(mostly_new), np.flatnonzero(~mostly_new)
    exact = Fraction(share).limit_denominator(1_000_000)
    if not len(new) or not len(old):
        exact = Fraction(1 if len(old) else 0)
    return Replay(Blocks(tokens, context_length), new, old, exact, seed)
