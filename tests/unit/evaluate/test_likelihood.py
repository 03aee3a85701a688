"""Documents cost what the model says, however they are batched."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.evaluate.likelihood import document_nats, windows


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


def documents(lengths):
    generator = np.random.default_rng(1)
    return [generator.integers(3, 61, length) for length in lengths]


@given(st.integers(2, 200), st.integers(1, 40))
def test_every_token_but_the_first_is_asked_for_once(length, context):
    asked = []
    for start, stop, first in windows(length, context):
        assert 0 <= start < first < stop <= length
        assert stop - start - 1 <= context
        if start > 0:
            assert first - start >= context - context // 2
        asked += range(first, stop)
    assert asked == list(range(1, length))


def test_a_short_document_costs_what_the_models_own_loss_says(model):
    [tokens] = documents([20])
    with torch.inference_mode():
        ids = torch.from_numpy(tokens)[None]
        expected = float(model(input_ids=ids, labels=ids).loss) * 19
    assert document_nats(model, [tokens], context=64, batch_size=4)[0] == pytest.approx(expected, rel=1e-5)


def test_neighbours_in_a_batch_and_padding_change_nothing(model):
    texts = documents([40, 3, 17, 2, 64, 9])
    together = document_nats(model, texts, context=64, batch_size=6)
    alone = [document_nats(model, [tokens], context=64, batch_size=1)[0] for tokens in texts]
    assert together == pytest.approx(alone, rel=1e-5)


def test_a_document_longer_than_the_context_is_scored_with_half_a_context_of_text_before_each_token(model):
    [tokens] = documents([50])
    found = document_nats(model, [tokens], context=16, batch_size=3)[0]
    expected = 0.0
    for _, stop, first in windows(50, 16):
        with torch.inference_mode():
            seen = torch.from_numpy(tokens[max(0, stop - 17) : stop - 1])[None]
            log_probabilities = model(input_ids=seen).logits[0].log_softmax(-1)
        for place in range(first, stop):
            expected -= float(log_probabilities[place - max(0, stop - 17) - 1, tokens[place]])
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_document_of_nothing_but_its_first_token_costs_nothing(model):
    assert document_nats(model, [np.array([2])], context=16, batch_size=2).tolist() == [0.0]
