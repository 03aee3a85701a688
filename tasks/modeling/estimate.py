"""What a training will take, told before it starts and without torch: parameters, memory, FLOPs, tokens.

- *Parameters* are counted exactly, as transformers' classes have them (a test builds them all).
- *FLOPs* of a token, forward and backward: 6 × weights that multiply + 12 × layers × width × context (Chowdhery et al.,
  "PaLM", 2022, appendix B; causality is not taken off). Tables of embeddings and positions do not multiply; the output
  head does, tied or not. A decoder beside an encoder attends to itself and to the encoder.
- *Memory* is that of the process: weights, gradients, optimiser, what a checkpoint copies, activations of a micro-batch
  and one layer's gradients of them, logits of a chunk, and the libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.modeling.architectures.spec import ModelSpec

LIBRARIES_BYTES = 400 << 20
"""Of the process of a stage that trains: torch, transformers, and what a first step allocates."""

LOGITS_BYTES = 48 << 20
"""Of the chunk of logits that exists at once, its gradient and what lies between, at most."""

_ACTIVATIONS = {
    ("llama", False): (40, 16, 4),
    ("llama", True): (34, 8, 2),
    ("gpt2", False): (32, 8, 4),
    ("gpt2", True): (20, 4, 2),
    ("bert", False): (32, 8, 4),
    ("bert", True): (24, 4, 2),
    ("t5", False): (124, 54, 14),
    ("t5", True): (117, 26, 14),
    ("bart", False): (88, 16, 12),
    ("bart", True): (66, 8, 6),
    ("marian", False): (88, 16, 12),
    ("marian", True): (66, 8, 6),
}
"""By architecture and whether products are in 16 bits: bytes that a layer keeps of a token for each of its width, of
its feed-forward width and of the context (its mask), counted from what autograd saves. With an encoder and a decoder,
of one layer of both."""

_RELATIVE_BUCKETS = 32
"""T5's: distances that its attention tells apart."""

_BART_POSITIONS = 2
"""Places of BART's table of positions that are never looked up."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with a model.

    Attributes:
        steps: Optimiser steps.
        batch_size: Samples a step.
        micro_batch_size: Samples a forward pass.
        tokens: Tokens of a sample, padding included.
        precision: `fp32`, `tf32`, `bf16` or `fp16`.
        optimizer: `muon`, `adamw`, `sgd` or `adafactor`.
        averaged: Whether a running mean of the weights is kept.
        recomputed: Whether activations are computed again in the backward pass.
    """

    steps: int
    batch_size: int
    micro_batch_size: int
    tokens: int
    precision: str
    optimizer: str
    averaged: bool = False
    recomputed: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will take.

    Attributes:
        parameters: Weights, tied ones once.
        tokens: Tokens read, padding included.
        flops: Of all steps.
        memory_bytes: Most that the process holds; on an accelerator, less the libraries, that of the device.
    """

    parameters: int
    tokens: int
    flops: int
    memory_bytes: int


def estimate(shape: ModelSpec, work: Work) -> Estimate:
    """Returns what training a model will take."""
    tokens = work.steps * work.batch_size * work.tokens
    return Estimate(
        parameters=count_parameters(shape),
        tokens=tokens,
        flops=tokens * flops_per_token(shape),
        memory_bytes=memory_bytes(shape, work),
    )


def count_parameters(shape: ModelSpec) -> int:
    """Returns the number of weights, tied ones once.

    Raises:
        ValueError: The architecture is none that is known.
    """
    width, vocabulary, context = shape.hidden_size, shape.vocabulary, shape.context_length
    matrices = multiplying_weights(shape) - vocabulary * width
    # Untied, transformers' BART has a table for each stack and one for neither; its BERT a second bias of the head.
    tables_untied = 4 if shape.architecture == "bart" else 2
    embeddings = vocabulary * width * (1 if shape.tied_embeddings else tables_untied)
    stacked = shape.layers + shape.decoder_layers
    if shape.architecture == "llama":
        return embeddings + matrices + (2 * shape.layers + 1) * width
    biases = 9 * width + shape.intermediate_size  # of a layer with one attention: projections, two norms, feed-forward
    if shape.architecture == "gpt2":
        return embeddings + matrices + context * width + shape.layers * biases + 2 * width
    if shape.architecture == "bert":
        tables = (context + 2) * width  # positions, and two kinds of segment
        head_biases = vocabulary * (1 if shape.tied_embeddings else 2)
        return embeddings + matrices + tables + shape.layers * biases + 5 * width + head_biases
    if shape.architecture == "t5":
        norms = 2 * shape.layers + 3 * shape.decoder_layers + 2
        return embeddings + matrices + norms * width + 2 * _RELATIVE_BUCKETS * shape.heads
    attention_biases = shape.decoder_layers * 6 * width  # of the attention to the encoder, and its norm
    if shape.architecture == "bart":
        tables = 2 * (context + _BART_POSITIONS) * width + 4 * width
        return embeddings + matrices + tables + stacked * biases + attention_biases
    return embeddings + matrices + 2 * context * width + stacked * biases + attention_biases


def multiplying_weights(shape: ModelSpec) -> int:
    """Returns the weights of all matrix products, the output head among them.

    Raises:
        ValueError: The architecture is none that is known.
    """
    width = shape.hidden_size
    if (shape.architecture, False) not in _ACTIVATIONS:
        raise ValueError(f"no estimate is known for the architecture {shape.architecture!r}")
    attention = 2 * width * width + 2 * width * width * shape.kv_heads // shape.heads
    feed_forward = (3 if shape.architecture in ("llama", "t5") else 2) * width * shape.intermediate_size
    layers = shape.layers * (attention + feed_forward) + shape.decoder_layers * (2 * attention + feed_forward)
    transform = width * width if shape.architecture == "bert" else 0
    return layers + transform + shape.vocabulary * width


def flops_per_token(shape: ModelSpec) -> int:
    """Returns the FLOPs of a token in training; with an encoder and a decoder, of a token in each."""
    attentions = shape.layers + 2 * shape.decoder_layers
    return 6 * multiplying_weights(shape) + 12 * attentions * shape.hidden_size * shape.context_length


def memory_bytes(shape: ModelSpec, work: Work) -> int:
    """Returns the most memory that training holds."""
    parameters = count_parameters(shape)
    embeddings = shape.vocabulary * shape.hidden_size * (1 if shape.tied_embeddings else 2)
    state = {
        "muon": 4 * parameters + 4 * embeddings,
        "adamw": 8 * parameters,
        "sgd": 4 * parameters,
        "adafactor": 4 * parameters // shape.hidden_size,
    }[work.optimizer]
    average = 4 * parameters if work.averaged else 0
    copied = 4 * parameters + state + average  # by a checkpoint that is written while training goes on
    half = work.precision in ("bf16", "fp16")
    casts = 2 * parameters if half else 0
    head = shape.vocabulary * shape.hidden_size * (6 if half else 4)  # its gradient, kept from the forward pass on
    by_width, by_feed_forward, by_context = _ACTIVATIONS[shape.architecture, half]
    of_layer = work.micro_batch_size * work.tokens * by_width * shape.hidden_size
    of_layer += work.micro_batch_size * work.tokens * by_feed_forward * shape.intermediate_size
    of_layer += work.micro_batch_size * work.tokens * by_context * work.tokens
    between = work.micro_batch_size * work.tokens * 4 * shape.hidden_size
    kept = shape.layers * between + of_layer if work.recomputed else shape.layers * of_layer
    activations = kept + of_layer + 6 * between
    return LIBRARIES_BYTES + LOGITS_BYTES + 8 * parameters + state + average + copied + casts + head + activations
