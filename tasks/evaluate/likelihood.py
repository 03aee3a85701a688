"""What a causal language model pays for documents, in nats.

Every document is scored by itself, from its `<s>`, every token after it exactly once, `</s>` included. A document
longer than the context is read through a window that moves on by half a context, so that a token is predicted from at
least half a context of text; that costs up to twice the arithmetic on long documents and none on the others. Cutting
documents into disjoint pieces instead would charge the model for pieces that begin without any context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

MAX_LOGITS = 1 << 25
"""Values of logits held at once (128 MiB in float32): bounds memory whatever the vocabulary and the context are."""

Window = tuple[int, int, int]


def windows(length: int, context: int) -> Iterator[Window]:
    """Yields (start, stop, first) for a document of `length` tokens.

    The model reads the tokens from `start` to `stop - 1` (at most `context` of them) and is asked for the tokens from
    `first` to `stop`, both ends as in a slice. Every token but the document's first is asked for once.
    """
    stop = min(length, context + 1)
    yield 0, stop, 1
    while stop < length:
        first, stop = stop, min(length, stop + max(1, context // 2))
        yield stop - context - 1, stop, first


def batches(lengths: Sequence[int], batch_size: int, vocabulary: int) -> Iterator[list[int]]:
    """Yields positions of windows of about equal length, longest first, so that padding is rare and memory peaks early.

    Args:
        lengths: Tokens that the model reads of each window.
        batch_size: Most windows in a batch.
        vocabulary: Width of the logits, which bounds a batch by `MAX_LOGITS`.
    """
    order = sorted(range(len(lengths)), key=lambda position: (-lengths[position], position))
    start = 0
    while start < len(order):
        rows = max(1, min(batch_size, MAX_LOGITS // (lengths[order[start]] * vocabulary)))
        yield order[start : start + rows]
        start += rows


def document_nats(
    model: Any,
    documents: Sequence[NDArray[np.int64]],
    *,
    context: int,
    batch_size: int,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float64]:
    """Returns the negative log-likelihood of each document: float64[n].

    Args:
        model: A Hugging Face causal language model without logit scaling (Llama), in evaluation mode.
        documents: Token ids, `<s>` first.
        context: Most tokens that the model reads at once.
        batch_size: Most windows in a batch.
        on_batch: Called after each batch with the windows done and the windows in all.
    """
    pieces = [
        (number, *window)
        for number, tokens in enumerate(documents)
        if len(tokens) > 1
        for window in windows(len(tokens), context)
    ]
    nats = np.zeros(len(documents), dtype=np.float64)
    done = 0
    for chosen in batches([stop - start - 1 for _, start, stop, _ in pieces], batch_size, model.config.vocab_size):
        batch = [pieces[position] for position in chosen]
        for (number, *_), value in zip(batch, _window_nats(model, documents, batch), strict=True):
            nats[number] += value
        done += len(batch)
        on_batch(done, len(pieces))
    return nats


@torch.inference_mode()
def _window_nats(
    model: Any, documents: Sequence[NDArray[np.int64]], batch: Sequence[tuple[int, int, int, int]]
) -> list[float]:
    width = max(stop - start for _, start, stop, _ in batch) - 1
    inputs_BT = np.zeros((len(batch), width), dtype=np.int64)
    targets_BT = np.zeros((len(batch), width), dtype=np.int64)
    asked_BT = np.zeros((len(batch), width), dtype=bool)
    for row, (number, start, stop, first) in enumerate(batch):
        tokens = documents[number][start:stop]
        inputs_BT[row, : len(tokens) - 1] = tokens[:-1]
        targets_BT[row, : len(tokens) - 1] = tokens[1:]
        asked_BT[row, first - start - 1 : len(tokens) - 1] = True
    # Padding stands on the right, where causal attention never looks from a token that is asked for.
    device = model.device
    asked = torch.from_numpy(asked_BT).to(device)
    # The output layer, two fifths of the arithmetic of a small model, is applied only where a token is asked for.
    hidden_BTC = model.get_decoder()(input_ids=torch.from_numpy(inputs_BT).to(device), use_cache=False)[0]
    logits_NV = model.get_output_embeddings()(hidden_BTC[asked]).float()
    losses_N = torch.nn.functional.cross_entropy(
        logits_NV, torch.from_numpy(targets_BT).to(device)[asked], reduction="none"
    )
    values = losses_N.double().cpu().numpy()
    ends = np.cumsum(asked_BT.sum(axis=1))
    return [float(part.sum()) for part in np.split(values, ends[:-1])]
