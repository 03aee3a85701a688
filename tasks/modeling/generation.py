"""Replies of a trained decoder, many prompts at once, with transformers' key-value cache.

Prompts of like length share a batch, padded on the left. What is drawn for a prompt depends on the seed and on its
place in the list only, never on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from schemas.tokens import PAD
from tasks.modeling.prompts import STOP


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How replies are produced.

    Attributes:
        max_new_tokens: Longest reply.
        temperature: 0 takes the likeliest token each time.
        top_p: Share of the probability that sampling draws from.
        seed: Of sampling.
        batch_size: Prompts at once.
        stop: Ids that end a reply; they are no part of it.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    batch_size: int = 16
    stop: tuple[int, ...] = STOP


@torch.inference_mode()
def generate(model: Any, prompts: Sequence[Sequence[int]], settings: GenerationSettings) -> list[list[int]]:
    """Returns the ids of a reply to each prompt, in their order.

    Args:
        model: A causal language model of transformers.
        prompts: Ids, none empty.
        settings: How.
    """
    model.eval()
    replies: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda number: (len(prompts[number]), number))
    for start in range(0, len(order), settings.batch_size):
        numbers = order[start : start + settings.batch_size]
        for number, reply in zip(numbers, _batch(model, prompts, numbers, settings), strict=True):
            replies[number] = reply
    return replies


def _batch(
    model: Any, prompts: Sequence[Sequence[int]], numbers: list[int], settings: GenerationSettings
) -> list[list[int]]:
    longest = max(len(prompts[number]) for number in numbers)
    rows = [[PAD] * (longest - len(prompts[number])) + list(prompts[number]) for number in numbers]
    seen = [[0] * (longest - len(prompts[number])) + [1] * len(prompts[number]) for number in numbers]
    input_ids, mask = torch.tensor(rows), torch.tensor(seen)
    generators = [torch.Generator().manual_seed(settings.seed * 1_000_003 + number) for number in numbers]
    replies: list[list[int]] = [[] for _ in numbers]
    open_rows = [True] * len(numbers)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache: Any = None
    for _ in range(settings.max_new_tokens):
        output = model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        chosen = _choose(output.logits[:, -1].float(), generators, settings)
        for row, token in enumerate(chosen):
            if open_rows[row] and token in settings.stop:
                open_rows[row] = False
            elif open_rows[row]:
                replies[row].append(token)
        if not any(open_rows):
            break
        input_ids = torch.tensor(chosen).unsqueeze(-1)
        mask = torch.cat([mask, torch.ones_like(input_ids)], dim=-1)
        positions = positions[:, -1:] + 1
    return replies


def _choose(logits: torch.Tensor, generators: list[torch.Generator], settings: GenerationSettings) -> list[int]:
    """Chooses a token for each row of `logits` float32[B, vocabulary]; padding is never chosen."""
    logits[:, PAD] = -torch.inf
    if settings.temperature <= 0:
        return [int(token) for token in logits.argmax(dim=-1)]
    probabilities = torch.softmax(logits / settings.temperature, dim=-1)
    ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    ordered = torch.where(before < settings.top_p, ordered, 0.0)
    drawn = [torch.multinomial(row, 1, generator=generator) for row, generator in zip(ordered, generators, strict=True)]
    return [int(tokens[row, place]) for row, place in enumerate(torch.cat(drawn))]
