"""Masked language modelling: some tokens of a text are hidden, and predicted from both sides.

Of the chosen tokens most become `<mask>`, some another token, the rest stay as they are, so that a model must not trust
what it sees (Devlin et al., "BERT", 2019, section 3.1: 80, 10 and 10 % of 15 %).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.tokens import IGNORED_LABEL, MASK, RESERVED, UNK
from tasks.modeling.attention import Ids
from tasks.modeling.corruption.drawing import generators
from tasks.modeling.corruption.spans import Flags


@dataclass(frozen=True, slots=True)
class Masking:
    """How tokens are hidden.

    Attributes:
        vocabulary: Pieces of the tokenizer; replacements are drawn from those that are not reserved.
        seed: Of all draws.
        fraction: Share of a row's text that is chosen.
        masked: Share of the chosen tokens that become `<mask>`.
        replaced: Share of the chosen tokens that become another token.
        continues_word: bool[vocabulary], whether a piece goes on with the word before it; words are then chosen whole.
            None chooses single tokens.
    """

    vocabulary: int
    seed: int
    fraction: float = 0.15
    masked: float = 0.8
    replaced: float = 0.1
    continues_word: Flags | None = None

    def hide(self, ids: Ids, position: int) -> tuple[Ids, Ids]:
        """Hides tokens of the samples at positions from `position` on.

        Args:
            ids: int64[B, T].
            position: Of the first row.

        Returns:
            The ids that a model sees, and the labels (`IGNORED_LABEL` where nothing was chosen): int64[B, T] each.
        """
        draws = generators(self.seed, position, len(ids))
        uniform = np.stack([draw.random((2, ids.shape[1])) for draw in draws])
        others = np.stack([draw.integers(RESERVED, self.vocabulary, ids.shape[1]) for draw in draws])
        text = (ids >= RESERVED) | (ids == UNK)
        chosen = self._choose(ids, text, uniform[:, 0])
        masked = chosen & (uniform[:, 1] < self.masked)
        replaced = chosen & ~masked & (uniform[:, 1] < self.masked + self.replaced)
        seen = np.where(masked, MASK, np.where(replaced, others, ids))
        return seen, np.where(chosen, ids, IGNORED_LABEL)

    def _choose(self, ids: Ids, text: Flags, draws: npt.NDArray[np.float64]) -> Flags:
        """Chooses the `fraction` of a row's text with the smallest draws; pieces of one word share theirs."""
        if self.continues_word is not None:
            continues = self.continues_word[ids] & text
            continues[:, 0] = False
            continues[:, 1:] &= text[:, :-1]
            places = np.where(continues, 0, np.arange(ids.shape[1]))
            draws = np.take_along_axis(draws, np.maximum.accumulate(places, axis=1), axis=1)
        draws = np.where(text, draws, 2.0)
        wanted = np.rint(text.sum(axis=1) * self.fraction).astype(np.int64)
        wanted = np.maximum(wanted, text.any(axis=1))
        last = np.take_along_axis(np.sort(draws, axis=1), np.maximum(wanted - 1, 0)[:, None], axis=1)
        chosen: Flags = (draws <= last) & text
        return chosen
