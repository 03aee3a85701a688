"""What a training is said to take is what its model has, does and holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    T5Config,
    T5ForConditionalGeneration,
)

from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.estimate import Work, count_parameters, estimate, flops_per_token, memory_bytes

SHAPES = {
    "llama": ModelSpec(500, 64, 3, heads=4, kv_heads=2, intermediate_size=160, context_length=48),
    "gpt2": ModelSpec(500, 64, 3, 4, 4, 256, 48, architecture="gpt2"),
    "bert": ModelSpec(500, 64, 3, 4, 4, 256, 48, architecture="bert"),
    "t5": ModelSpec(500, 64, 3, 4, 4, 160, 48, architecture="t5", decoder_layers=2),
    "bart": ModelSpec(500, 64, 3, 4, 4, 256, 48, architecture="bart", decoder_layers=2),
    "marian": ModelSpec(500, 64, 3, 4, 4, 256, 48, architecture="marian", decoder_layers=2),
}
_IDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def build(shape: ModelSpec, device: str = "meta") -> Any:
    """Builds transformers' model of a shape, with attention as plain products."""
    tied: dict[str, Any] = {"tie_word_embeddings": shape.tied_embeddings, "attn_implementation": "eager", **_IDS}
    width, context = shape.hidden_size, shape.context_length
    usual = {
        "vocab_size": shape.vocabulary,
        "hidden_size": width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": context,
    }
    both = {
        "vocab_size": shape.vocabulary,
        "d_model": width,
        "encoder_layers": shape.layers,
        "decoder_layers": shape.decoder_layers,
        "encoder_attention_heads": shape.heads,
        "decoder_attention_heads": shape.heads,
        "encoder_ffn_dim": shape.intermediate_size,
        "decoder_ffn_dim": shape.intermediate_size,
        "max_position_embeddings": context,
    }
    with torch.device(device):
        match shape.architecture:
            case "llama":
                return LlamaForCausalLM(LlamaConfig(**usual, num_key_value_heads=shape.kv_heads, **tied))
            case "gpt2":
                config = GPT2Config(
                    vocab_size=shape.vocabulary,
                    n_embd=width,
                    n_inner=shape.intermediate_size,
                    n_layer=shape.layers,
                    n_head=shape.heads,
                    n_positions=context,
                    activation_function="gelu_pytorch_tanh",
                    **tied,
                )
                return GPT2LMHeadModel(config)
            case "bert":
                return BertForMaskedLM(BertConfig(**usual, **tied))
            case "t5":
                return T5ForConditionalGeneration(
                    T5Config(
                        vocab_size=shape.vocabulary,
                        d_model=width,
                        d_kv=width // shape.heads,
                        d_ff=shape.intermediate_size,
                        num_layers=shape.layers,
                        num_decoder_layers=shape.decoder_layers,
                        num_heads=shape.heads,
                        feed_forward_proj="gated-gelu",
                        **tied,
                    )
                )
            case "bart":
                return BartForConditionalGeneration(BartConfig(**both, **tied))
            case _:
                return MarianMTModel(MarianConfig(**both, decoder_vocab_size=shape.vocabulary, **tied))


def inputs(shape: ModelSpec, rows: int, device: str) -> dict[str, torch.Tensor]:
    """Token ids for both stacks that a model may have."""
    ids = torch.full((rows, shape.context_length), 5, device=device)
    return {"input_ids": ids, "decoder_input_ids": ids} if shape.decoder_layers else {"input_ids": ids}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_those_of_the_model(name: str, tied: bool) -> None:
    if not tied and name in ("t5", "marian"):
        pytest.skip("transformers ties these always")
    for shape in (SHAPES[name], replace(SHAPES[name], hidden_size=96, layers=1, context_length=30, vocabulary=301)):
        wanted = replace(shape, tied_embeddings=tied)
        assert count_parameters(wanted) == sum(p.numel() for p in build(wanted).parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_flops_are_those_of_a_forward_and_backward_pass(name: str) -> None:
    shape = replace(SHAPES[name], context_length=40)
    model = build(shape, "cpu")
    with FlopCounterMode(display=False) as counter:
        model(**inputs(shape, 2, "cpu")).logits.sum().backward()
    counted = counter.get_total_flops() / (2 * shape.context_length)
    # The first layer's inputs need no gradient, and cross-attention's keys and values are counted like the rest.
    assert flops_per_token(shape) == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_memory_grows_by_what_autograd_keeps_of_a_layer(name: str, precision: str) -> None:
    shape = replace(SHAPES[name], context_length=64)

    def kept(layers: int) -> int:
        model = build(replace(shape, layers=layers), "cpu").train()
        model.set_attn_implementation("sdpa")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.config.attention_probs_dropout_prob = model.config.attn_pdrop = 0.0
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        shapes = {tuple(p.shape) for p in model.parameters()} | {
            tuple(p.T.shape) for p in model.parameters() if p.ndim == 2
        }
        found: dict[int, int] = {}
        alive = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights and tuple(tensor.shape) not in shapes:
                found[storage.data_ptr()] = storage.nbytes()
                alive.append(tensor)
            return tensor

        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
        ):
            model(**inputs(shape, 3, "cpu"))
        return sum(found.values())

    def said(layers: int) -> int:
        work = Work(1, 3, 3, shape.context_length, precision, "sgd")
        grown = replace(shape, layers=layers)
        per_weight = 20 if precision == "fp32" else 22  # weight, gradient, momentum, copies
        return memory_bytes(grown, work) - per_weight * count_parameters(grown)

    assert said(3) - said(2) == pytest.approx(kept(3) - kept(2), rel=0.3)


def test_more_of_anything_takes_more() -> None:
    shape = SHAPES["llama"]
    work = Work(steps=10, batch_size=8, micro_batch_size=4, tokens=48, precision="fp32", optimizer="adamw")
    base = estimate(shape, work)
    assert base.tokens == 10 * 8 * 48
    assert base.flops == base.tokens * flops_per_token(shape)
    for changed in (replace(work, micro_batch_size=8), replace(work, averaged=True)):
        assert memory_bytes(shape, changed) > base.memory_bytes
    for changed in (replace(work, recomputed=True), replace(work, optimizer="sgd"), replace(work, micro_batch_size=1)):
        assert memory_bytes(shape, changed) < base.memory_bytes


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(ValueError, match="mamba"):
        count_parameters(replace(SHAPES["llama"], architecture="mamba"))
