"""Generation equals a plain loop without a cache, whatever shares the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from schemas.tokens import PAD
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.generation import GenerationSettings, generate
from tasks.modeling.models import build_model

SPEC = ModelSpec(vocabulary=40, hidden_size=16, layers=2, heads=2, kv_heads=1, intermediate_size=24, context_length=32)
PROMPTS = [[2, 20, 21], [2, 30], [2, 22, 23, 24, 25, 26], [2], [2, 20, 21], [2, 31, 32, 33]]
GREEDY = GenerationSettings(max_new_tokens=8, batch_size=4, stop=(3,))


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    kv_heads = 1 if request.param == "llama" else 2
    built = build_model(replace(SPEC, architecture=request.param, kv_heads=kv_heads), seed=0).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.ndim == 2:
                parameter.mul_(8)  # far from uniform, so that the likeliest token is plain
    return built


def _plain(model: Any, prompt: list[int], settings: GenerationSettings) -> list[int]:
    ids = list(prompt)
    while len(ids) < len(prompt) + settings.max_new_tokens:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
        logits[PAD] = -torch.inf
        token = int(logits.argmax())
        if token in settings.stop:
            break
        ids.append(token)
    return ids[len(prompt) :]


def test_greedy_replies_equal_those_of_a_plain_loop_in_the_prompts_order(model: Any) -> None:
    expected = [_plain(model, prompt, GREEDY) for prompt in PROMPTS]
    assert len({tuple(reply) for reply in expected}) > 2
    assert generate(model, PROMPTS, GREEDY) == expected


def test_a_reply_ends_before_a_stop_id(model: Any) -> None:
    reply = _plain(model, PROMPTS[0], GREEDY)
    stop = reply[3]
    settings = replace(GREEDY, stop=(stop,))
    assert generate(model, PROMPTS[:1], settings) == [reply[: reply.index(stop)]]


def test_sampling_follows_from_the_seed_and_not_from_the_batch(model: Any) -> None:
    settings = GenerationSettings(max_new_tokens=8, temperature=1.0, top_p=0.9, seed=1, batch_size=2, stop=())
    replies = generate(model, PROMPTS, settings)
    assert replies == generate(model, PROMPTS, replace(settings, batch_size=6))
    assert replies != generate(model, PROMPTS, replace(settings, seed=2))
    assert replies[0] != replies[4]  # equal prompts, drawn apart


def test_a_top_p_near_nothing_is_greedy(model: Any) -> None:
    sampled = generate(model, PROMPTS, replace(GREEDY, temperature=1.0, top_p=1e-6))
    assert sampled == generate(model, PROMPTS, GREEDY)


def test_no_prompts_give_no_replies(model: Any) -> None:
    assert generate(model, [], GREEDY) == []
