"""Blocks and groups are found in every class of transformers that is trained here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    MarianConfig,
    MarianMTModel,
    T5Config,
    T5ForConditionalGeneration,
)

from tasks.modeling.parameter_groups import parameter_groups, transformer_blocks

_SEQUENCES: dict[str, Any] = {
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
}
MODELS: dict[str, Any] = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2)),
    "bert": lambda: BertForMaskedLM(
        BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    ),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)
    ),
    "bart": lambda: BartForConditionalGeneration(BartConfig(**_SEQUENCES)),
    "marian": lambda: MarianMTModel(MarianConfig(**_SEQUENCES)),
    "classifier": lambda: LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            num_labels=7,
        )
    ),
}
LAYERS = {
    "gpt2": {"layer.0", "layer.1"},
    "classifier": {"layer.0", "layer.1"},
    "bert": {"encoder.0", "encoder.1"},
    **{kind: {"encoder.0", "encoder.1", "decoder.0", "decoder.1"} for kind in ("t5", "bart", "marian")},
}
ENDS = ("wte", "wpe", "embeddings", "embed_tokens", "embed_positions", "shared", "relative_attention_bias", "score")


@pytest.mark.parametrize("kind", MODELS)
def test_every_weight_is_in_one_group_and_embeddings_are_told_from_matrices(kind: str) -> None:
    model = MODELS[kind]()
    groups = parameter_groups(model)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert sorted([*groups.matrices, *groups.embeddings, *groups.vectors]) == sorted(trained)
    assert all(parameter.ndim == 2 for parameter in groups.matrices.values())
    assert all(parameter.ndim == 1 for parameter in groups.vectors.values())
    ends = {name for name in trained if any(word in name.split(".") for word in ENDS) and name.endswith("weight")}
    assert set(groups.embeddings) == {name for name in ends if name not in groups.vectors}
    assert groups.embeddings and groups.matrices


@pytest.mark.parametrize("kind", MODELS)
def test_the_layers_are_the_blocks_and_hold_every_weight_once(kind: str) -> None:
    model = MODELS[kind]()
    layers = parameter_groups(model).layers
    assert set(layers) - {"embeddings", "other"} == LAYERS[kind]
    assert len(transformer_blocks(model)) == len(LAYERS[kind])
    held = [id(parameter) for layer in layers.values() for parameter in layer]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)
    for path, block in transformer_blocks(model).items():
        assert isinstance(block, torch.nn.Module) and model.get_submodule(path) is block
