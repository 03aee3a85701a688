"""transformers' configuration and class of each architecture.

Every id is set: the defaults of several configurations lie outside a small vocabulary (GPT-2 begins and ends texts
with 50,256). Dropout means the same rate wherever the published model has any. What is left at its default is what the
published model has, but for two things: T5's feed-forward layer is the gated one of version 1.1, and Marian's
embeddings are scaled by the root of the width, as in every model of that kind.
"""

from __future__ import annotations

from typing import Any

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

from schemas.tokens import BOS, EOS, PAD
from tasks.modeling.architectures.spec import ModelSpec

INITIALIZER_RANGE = 0.02

_IDS: dict[str, Any] = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}

DECODER_START = {"t5": PAD, "bart": EOS, "marian": PAD}
"""What stands before the first token that a decoder beside an encoder predicts, as published."""


def model_class(spec: ModelSpec) -> tuple[Any, Any]:
    """Returns the class of a spec's model and its configuration."""
    builders = {
        "llama": _llama,
        "gpt2": _gpt2,
        "bert": _bert,
        "t5": _t5,
        "bart": _bart,
        "marian": _marian,
    }
    return builders[spec.architecture](spec)


def _llama(spec: ModelSpec) -> tuple[Any, Any]:
    return LlamaForCausalLM, LlamaConfig(
        vocab_size=spec.vocabulary,
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.kv_heads,
        max_position_embeddings=spec.context_length,
        initializer_range=INITIALIZER_RANGE,
        attention_dropout=spec.dropout,
        tie_word_embeddings=spec.tied_embeddings,
        **_IDS,
    )


def _gpt2(spec: ModelSpec) -> tuple[Any, Any]:
    return GPT2LMHeadModel, GPT2Config(
        vocab_size=spec.vocabulary,
        n_embd=spec.hidden_size,
        n_inner=spec.intermediate_size,
        n_layer=spec.layers,
        n_head=spec.heads,
        n_positions=spec.context_length,
        initializer_range=INITIALIZER_RANGE,
        attn_pdrop=spec.dropout,
        resid_pdrop=spec.dropout,
        embd_pdrop=spec.dropout,
        activation_function="gelu_pytorch_tanh",  # the same function as `gelu_new` in one kernel: 8 % of a step
        tie_word_embeddings=spec.tied_embeddings,
        **_IDS,
    )


def _bert(spec: ModelSpec) -> tuple[Any, Any]:
    return BertForMaskedLM, BertConfig(
        vocab_size=spec.vocabulary,
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.context_length,
        initializer_range=INITIALIZER_RANGE,
        attention_probs_dropout_prob=spec.dropout,
        hidden_dropout_prob=spec.dropout,
        classifier_dropout=spec.dropout,
        tie_word_embeddings=spec.tied_embeddings,
        **_IDS,
    )


def _t5(spec: ModelSpec) -> tuple[Any, Any]:
    ids = {**_IDS, "decoder_start_token_id": DECODER_START["t5"]}
    return T5ForConditionalGeneration, T5Config(
        vocab_size=spec.vocabulary,
        d_model=spec.hidden_size,
        d_kv=spec.hidden_size // spec.heads,
        d_ff=spec.intermediate_size,
        num_layers=spec.layers,
        num_decoder_layers=spec.decoder_layers,
        num_heads=spec.heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=spec.dropout,
        classifier_dropout=spec.dropout,
        **ids,
    )


def _bart(spec: ModelSpec) -> tuple[Any, Any]:
    return BartForConditionalGeneration, BartConfig(
        **_bart_like(spec),
        tie_word_embeddings=spec.tied_embeddings,
        decoder_start_token_id=DECODER_START["bart"],
        forced_eos_token_id=EOS,
    )


def _marian(spec: ModelSpec) -> tuple[Any, Any]:
    return MarianMTModel, MarianConfig(
        **_bart_like(spec),
        decoder_vocab_size=spec.vocabulary,
        scale_embedding=True,
        activation_function="swish",
        decoder_start_token_id=DECODER_START["marian"],
        forced_eos_token_id=EOS,
    )


def _bart_like(spec: ModelSpec) -> dict[str, Any]:
    return {
        "vocab_size": spec.vocabulary,
        "d_model": spec.hidden_size,
        "encoder_layers": spec.layers,
        "decoder_layers": spec.decoder_layers,
        "encoder_attention_heads": spec.heads,
        "decoder_attention_heads": spec.heads,
        "encoder_ffn_dim": spec.intermediate_size,
        "decoder_ffn_dim": spec.intermediate_size,
        "max_position_embeddings": spec.context_length,
        "init_std": INITIALIZER_RANGE,
        "dropout": spec.dropout,
        "attention_dropout": spec.dropout,
        "activation_dropout": 0.0,
        **_IDS,
    }


def dropout_settings(architecture: str, rate: float) -> dict[str, float]:
    """Returns the fields of an architecture's configuration that hold its dropout, for a model that is loaded."""
    names = {
        "llama": ("attention_dropout",),
        "gpt2": ("attn_pdrop", "resid_pdrop", "embd_pdrop"),
        "bert": ("attention_probs_dropout_prob", "hidden_dropout_prob"),
        "t5": ("dropout_rate",),
        "bart": ("dropout", "attention_dropout"),
        "marian": ("dropout", "attention_dropout"),
    }
    return dict.fromkeys(names[architecture], rate)
