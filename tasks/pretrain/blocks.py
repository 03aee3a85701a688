"""Blocks of packed text as batches, in an order computed from the seed and the weights of a mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from schemas.errors import StageFailed
from schemas.tokens import LANGUAGES
from tasks.modeling.objectives import Batch
from tasks.modeling.order import MixedOrder, Order
from tasks.tokens.token_set import Block, TokenSet


@dataclass(frozen=True, slots=True)
class Weights:
    """How text is weighted; see `schemas.config.mixture.MixtureConfig`.

    Attributes:
        languages: Share by language; empty for as much as there is.
        sources: Factor by source; 1 where a source is left out.
    """

    languages: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MixedBlocks:
    """The blocks of one split, by groups of documents that are read equally often.

    Attributes:
        groups: The documents of each group; a block never holds text of two groups.
        context_length: Tokens in a block.
        order: Position → group and block; None reads the blocks of the groups as they lie.
    """

    groups: Sequence[TokenSet]
    context_length: int
    order: MixedOrder | None

    @property
    def count(self) -> int:
        """Number of blocks that are read at all."""
        return sum(group.n_blocks(self.context_length) for group in self.groups)

    @property
    def n_documents(self) -> int:
        """Documents that are read at all."""
        return sum(group.n_documents for group in self.groups)

    @property
    def n_tokens(self) -> int:
        """Tokens of these documents."""
        return sum(group.n_tokens for group in self.groups)

    def blocks(self, position: int, count: int) -> list[Block]:
        """Returns the blocks at `count` positions from `position` on."""
        places = range(position, position + count)
        found = [self.order.sample(place) if self.order else self._as_it_lies(place) for place in places]
        return [self.groups[group].block(number, self.context_length) for group, number in found]

    def batch(self, position: int, count: int) -> Batch:
        """Returns the blocks at `count` positions from `position` on, each field int64[count, context_length]."""
        blocks = self.blocks(position, count)
        return {
            name: torch.from_numpy(np.stack([getattr(block, name) for block in blocks]))
            for name in ("input_ids", "labels", "position_ids")
        }

    def _as_it_lies(self, position: int) -> tuple[int, int]:
        for number, group in enumerate(self.groups):
            blocks = group.n_blocks(self.context_length)
            if position < blocks:
                return number, position
            position -= blocks
        raise IndexError("a block after the last")


def mixed_blocks(
    split: str, tokens: TokenSet, context_length: int, seed: int, weights: Weights | None = None
) -> MixedBlocks:
    """Returns the blocks to train on.

    Documents of one language (where languages have shares) and one weight of their source form one group. In every
    stretch of positions each group has its share up to a few blocks; every block of a group is read once before any
    is read again. Without weights there is one group, so an epoch is every block once.

    Args:
        split: Name of the split, for errors.
        tokens: Its documents.
        context_length: Tokens in a block.
        seed: Decides the order.
        weights: Of languages and sources; None for none.

    Raises:
        StageFailed: The text does not fill one context, or a weight is for text that is not there.
    """
    check_split(split, tokens, context_length)
    return _mixed(_groups(split, tokens, context_length, weights or Weights()), context_length, seed)


def replayed_blocks(
    split: str,
    tokens: TokenSet,
    is_new: npt.NDArray[np.bool_],
    context_length: int,
    replay: float,
    seed: int,
    weights: Weights | None = None,
) -> MixedBlocks:
    """Returns the blocks to go on with: a model that learns only what is new forgets what it knew.

    New and old documents form groups of their own, each mixed by the weights as far as they have such text; where there
    is nothing new, or nothing old, the other is all that is read. A small share of old text keeps most of what was
    known (Ibrahim et al., "Simple and scalable strategies to continually pre-train large language models", 2024: 1 to
    5 % for a weak change, up to 50 % for a strong one).

    Args:
        split: Name of the split, for errors.
        tokens: Its documents.
        is_new: bool[n_documents], documents that the parent was not trained on.
        context_length: Tokens in a block.
        replay: Share of the positions that read old text.
        seed: Decides the order.
        weights: Of languages and sources; None for none.

    Raises:
        StageFailed: The text does not fill one context, or a weight is for text that is not there.
    """
    check_split(split, tokens, context_length)
    weights = weights or Weights()
    everything = _groups(split, tokens, context_length, weights)  # a weight for text that is nowhere is a mistake
    parts = [(~is_new, _exact(replay)), (is_new, 1 - _exact(replay))]
    groups: list[tuple[TokenSet, Fraction]] = []
    for documents, share in parts:
        part = tokens.select(documents)
        found = _groups(split, part, context_length, _held(part, weights)) if part.n_tokens > 1 else []
        whole = sum(amount for _, amount in found)
        groups += [(group, amount * share / whole) for group, amount in found if share]
    return _mixed(groups or everything, context_length, seed)  # where all there is has the share 0


def _mixed(groups: Sequence[tuple[TokenSet, Fraction]], context_length: int, seed: int) -> MixedBlocks:
    orders = tuple(Order(group.n_blocks(context_length), seed) for group, _ in groups)
    shares = tuple(share for _, share in groups)
    return MixedBlocks([group for group, _ in groups], context_length, MixedOrder(orders, shares))


def _held(tokens: TokenSet, weights: Weights) -> Weights:
    """Leaves out the weights of what some documents do not hold; all of them where nothing would be left."""
    here = {LANGUAGES[code] for code in np.unique(tokens.languages)}
    languages = {name: share for name, share in weights.languages.items() if name in here}
    sources = {tokens.source_names[code] for code in np.unique(tokens.sources)}
    factors = {name: factor for name, factor in weights.sources.items() if name in sources}
    readable = any(factors.get(name, 1.0) > 0 for name in sources)
    return Weights(languages if any(languages.values()) else {}, factors if readable else {})


def _groups(split: str, tokens: TokenSet, context_length: int, weights: Weights) -> list[tuple[TokenSet, Fraction]]:
    """Parts documents by how often they are read; returns each group with its share, relative to the others."""
    absent = sorted(set(weights.sources) - set(tokens.source_names))
    if absent:
        raise StageFailed(
            f"no text of the source {', '.join(absent)}, which has a weight",
            where=f"{split}, mixture.sources",
            hint="the sources there are: " + ", ".join(tokens.source_names),
        )
    factors = np.array([weights.sources.get(name, 1.0) for name in tokens.source_names], dtype=np.float64)
    factor = factors[tokens.sources] if len(factors) else np.ones(tokens.n_documents)
    groups: list[tuple[TokenSet, Fraction]] = []
    for language, share in _languages(weights).items():
        if not share:
            continue
        chosen = factor > 0
        if language:
            chosen &= tokens.languages == LANGUAGES.index(language)
        parts = {value: tokens.select(chosen & (factor == value)) for value in sorted(set(factor[chosen].tolist()))}
        read = {value: _exact(value) * part.n_blocks(context_length) for value, part in parts.items()}
        whole = sum(read.values())
        if not whole:
            raise StageFailed(
                f"no {language} text for its share" if language else "all sources have the weight 0",
                where=f"{split}, mixture",
                hint="give it text, or take its weight out",
            )
        # Without shares of languages a group's share is what it has, so that nothing is read twice before all is.
        groups += [
            (parts[value], amount * (_exact(share) / whole if language else 1)) for value, amount in read.items()
        ]
    return groups


def blocks_in_order(split: str, tokens: TokenSet, context_length: int) -> MixedBlocks:
    """Returns all blocks of a split as they lie, for validation.

    Raises:
        StageFailed: The text does not fill one context.
    """
    check_split(split, tokens, context_length)
    return MixedBlocks([tokens], context_length, None)


def check_split(split: str, tokens: TokenSet, context_length: int) -> None:
    """Checks that there is text for at least one context.

    Raises:
        StageFailed: There is not.
    """
    if not tokens.n_documents:
        raise StageFailed(
            "has no document",
            where=split,
            hint="give more text: splits are drawn by groups of similar documents, and few documents may all fall into"
            " one; or raise the split's share in `shard`",
        )
    if tokens.n_tokens <= context_length:
        documents = "1 document" if tokens.n_documents == 1 else f"{tokens.n_documents} documents"
        raise StageFailed(
            f"{tokens.n_tokens} tokens in {documents} do not fill one context of {context_length}",
            where=split,
            hint="give more text or lower `context_length`",
        )


def _languages(weights: Weights) -> Mapping[str, float]:
    """Shares by language; one that means all languages where none has a share."""
    return dict(sorted(weights.languages.items())) or {"": 1.0}


def _exact(weight: float) -> Fraction:
    """The number that was written, not its nearest binary fraction: 0.1 is a tenth."""
    return Fraction(str(weight))
