"""The decoder: a Llama-style transformer of transformers' own classes, so that every tool loads what is trained here.

Rows of a batch hold several documents. Their position ids restart at each document and no attention mask is given:
transformers then builds the block-diagonal mask itself, so no document sees another (held by a test), at no cost that
could be measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification
from transformers.utils import logging as transformers_logging

from schemas.errors import StageFailed
from schemas.tokens import BOS, EOS, PAD

INITIALIZER_RANGE = 0.02


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The shape of a decoder.

    Attributes:
        vocabulary: Pieces of the tokenizer, reserved ones included.
        hidden_size: Width of the residual stream.
        layers: Transformer blocks.
        heads: Query heads; they divide `hidden_size`.
        kv_heads: Key and value heads; they divide `heads`.
        intermediate_size: Width of the gated feed-forward layer.
        context_length: Tokens that the model is trained to see at once.
        tied_embeddings: Whether input and output embeddings are one matrix.
        dropout: Probability that an attention weight is dropped in training.
    """

    vocabulary: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    intermediate_size: int
    context_length: int
    tied_embeddings: bool = True
    dropout: float = 0.0


def build_decoder(spec: DecoderSpec, seed: int) -> LlamaForCausalLM:
    """Builds a decoder with weights that depend on the spec and the seed only; float32, in training mode."""
    config = LlamaConfig(
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
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    with _seeded(seed):
        model = LlamaForCausalLM(config)
    model.train()
    return model


def load_decoder(folder: Path, dropout: float | None = None) -> Any:
    """Loads a decoder from a Hugging Face folder: float32, in evaluation mode.

    Raises:
        StageFailed: The folder holds no decoder.
    """
    settings: dict[str, Any] = {} if dropout is None else {"attention_dropout": dropout}
    return load_pretrained(AutoModelForCausalLM, folder, **settings)


def load_as_classifier(folder: Path, labels: list[str], seed: int, dropout: float | None = None) -> Any:
    """Turns a pretrained decoder into a classifier whose head is newly drawn; it pools a row's last token.

    Args:
        folder: Hugging Face folder of the decoder.
        labels: Names of the classes; their place is their number.
        seed: Decides the head's weights.
        dropout: Probability that an attention weight is dropped in training; None keeps the decoder's.

    Returns:
        A `LlamaForSequenceClassification`: float32, in evaluation mode.
    """
    decoder = load_decoder(folder, dropout)
    config = decoder.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    classifier: Any = LlamaForSequenceClassification
    with _seeded(seed):
        model = classifier(config)
    model.model.load_state_dict(decoder.model.state_dict())
    return model.eval()


def unique_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Returns the parameters by name, tied ones once, in the model's order."""
    return dict(model.named_parameters())


def count_parameters(model: torch.nn.Module) -> int:
    """Returns the number of weights, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def load_pretrained(kind: Any, folder: Path, **settings: Any) -> Any:
    """Loads a model of one of transformers' Auto classes from a local folder: float32, in evaluation mode.

    Raises:
        StageFailed: The folder holds no such model.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = kind.from_pretrained(folder, local_files_only=True, dtype=torch.float32, **settings)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise StageFailed(
            f"no model could be loaded: {error}", where="model", hint="give the folder that a training publishes"
        ) from error
    return model.eval()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draws from a seed inside the block and leaves the generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
