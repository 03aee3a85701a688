"""Attention that stays inside documents, where a row holds several.

A row's *segments* number its documents from 0. Decoders need no mask: transformers builds theirs from position ids that
restart at each document. An encoder's and an encoder–decoder's classes take no position ids for that, so they are given
masks that say which pairs of tokens may see each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Ids = npt.NDArray[np.int64]


def segments_of(position_ids: Ids) -> Ids:
    """Returns the document of each place, numbered from 0: int64[B, T]; positions rise by one inside a document."""
    starts = np.ones(position_ids.shape, dtype=bool)
    starts[:, 1:] = position_ids[:, 1:] != position_ids[:, :-1] + 1
    return np.cumsum(starts, axis=1) - 1


def places_of(segments: Ids) -> Ids:
    """Returns each token's place in what the row holds of its document: int64[B, T].

    Unlike its place in the document it never exceeds the row, and so finds itself in every table of positions.
    """
    places = np.broadcast_to(np.arange(segments.shape[1]), segments.shape)
    starts = np.ones(segments.shape, dtype=bool)
    starts[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return places - np.maximum.accumulate(np.where(starts, places, 0), axis=1)


def document_mask(queries: torch.Tensor, keys: torch.Tensor, *, causal: bool = False) -> torch.Tensor:
    """Returns which keys each query may see: bool[B, 1, T, S].

    Args:
        queries: int64[B, T], segments of the tokens that look.
        keys: int64[B, S], segments of those looked at.
        causal: Whether later keys of the own document are hidden.
    """
    mask = queries[:, :, None] == keys[:, None, :]
    if causal:
        mask = mask.tril()
    return mask[:, None]
