"""The shape of a model, of whichever architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.architectures import FAMILIES, Architecture, Family


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is built from.

    Attributes:
        vocabulary: Pieces of the tokenizer, reserved ones included.
        hidden_size: Width of the residual stream.
        layers: Transformer blocks; with both an encoder and a decoder, of the encoder.
        heads: Attention heads; they divide `hidden_size`.
        kv_heads: Key and value heads; they divide `heads`, and equal them but in `llama`.
        intermediate_size: Width of the feed-forward layer.
        context_length: Tokens that the model is trained to see at once.
        tied_embeddings: Whether input and output embeddings are one matrix.
        dropout: Probability that a value is dropped in training.
        architecture: Which classes it is built of.
        decoder_layers: Transformer blocks of the decoder beside an encoder.
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
    architecture: Architecture = "llama"
    decoder_layers: int = 0

    @property
    def family(self) -> Family:
        """Which stacks it has."""
        return FAMILIES[self.architecture]


def spec_of(model: Any, vocabulary: int, context_length: int) -> ModelSpec:
    """Returns the shape that a configuration asks for.

    Args:
        model: A `schemas.config.model.ModelConfig`.
        vocabulary: Pieces of the tokenizer, reserved ones included.
        context_length: Tokens that the model is trained to see at once.
    """
    return ModelSpec(vocabulary=vocabulary, context_length=context_length, **model.model_dump(exclude={"size"}))
