"""The shape of a model: one dial, and every number of it open to change.

`size` chooses depth and width together: about 64 of width a layer, the aspect at which depth and width are in balance
at these sizes. Parameters are counted with a vocabulary of 8,192 and tied embeddings; other vocabularies change the
embeddings alone. What the dial gives for a decoder of Llama's kind:

    size   hidden_size  layers  heads  kv_heads  intermediate_size   parameters
    1m              96       2      3         3                256    1,008,096
    2m             160       2      5         5                448    1,946,400
    5m             256       4      4         2                640    4,851,968
    10m            320       6      5         5                832    9,875,520
    20m            448       7      7         7               1152   20,134,464
    50m            640      10     10         5               1600   48,264,320
    100m           768      15     12         6               1920   99,212,544
    200m          1024      17     16         8               2560  195,595,264
    500m          1408      23     22        11               3520  490,365,568
    1b            1792      28     28        14               4480  958,893,824

Other architectures get the width and depth at which they have that many parameters; those with an encoder and a decoder
share the layers between both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator, model_validator

from schemas.architectures import ARCHITECTURES, FAMILIES, Architecture
from schemas.config.base import Config

REFERENCE_VOCABULARY = 8192
"""The default of `tokenizer.vocab_size`: sizes are counted with it, since the real one is known only later."""

SMALLEST, LARGEST = 1_000_000, 1_000_000_000

_ASPECT = 64
"""Width a layer."""

_SPREAD = 1.6
"""The widest and the deepest shapes have so many times more or less width a layer."""

_TOLERANCE = 0.06
"""Shapes whose parameters miss the size by no more are told apart by their aspect."""

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


def parse_size(size: str | int) -> int:
    """Turns `5m`, `1.5b` or a number into a number of parameters.

    Raises:
        ValueError: It is none, or one that no preset is made for.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmb]?)", str(size).strip().lower())
    if found is None:
        raise ValueError(f"size {size!r} is no number of parameters: write one such as 5m, 120m, 1b or 4900000")
    number = round(float(found[1]) * _UNITS[found[2]])
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(
            f"size {size!r} is out of range: presets go from 1m to 1b; for others, give hidden_size and layers"
        )
    return number


def preset(architecture: Architecture, parameters: int) -> tuple[int, int]:
    """Returns (hidden_size, layers) of the shape that comes nearest to a number of parameters.

    Of the shapes within 6 % the one whose aspect is nearest to 64 is taken. Widths are multiples of 32, from 256 on of
    64 and from 512 on of 128, which vector units and tensor cores are made for.
    """

    def cost(shape: tuple[int, int]) -> tuple[float, float]:
        missed = abs(math.log(count_parameters(architecture, *shape) / parameters))
        aspect = abs(math.log(shape[0] / shape[1] / _ASPECT))
        return (0.0, aspect) if missed <= _TOLERANCE else (missed, aspect)

    return min(_shapes(), key=cost)


def count_parameters(architecture: Architecture, hidden_size: int, layers: int) -> int:
    """Returns the parameters of a shape with the derived rest, tied embeddings and the reference vocabulary.

    Biases, norms and tables of positions are left out: together less than a few per cent.
    """
    width = hidden_size
    ffn = feed_forward(architecture, width)
    attention = 4 * width * width
    if architecture == "llama":
        heads = head_count(width)
        attention = 2 * width * width * (heads + key_value_heads(architecture, heads)) // heads
    matrices = 3 if _gated(architecture) else 2
    block = attention + matrices * width * ffn
    if FAMILIES[architecture] == "encoder-decoder":
        block += block + attention
    head = width * width if architecture == "bert" else 0
    return layers * block + head + REFERENCE_VOCABULARY * width


def head_count(hidden_size: int) -> int:
    """Returns the usual number of heads: of 64 dimensions, of 32 where the width is no multiple of 64."""
    return next((hidden_size // size for size in (64, 32) if hidden_size % size == 0), 1)


def key_value_heads(architecture: Architecture, heads: int) -> int:
    """Returns the usual number of key and value heads: half of Llama's query heads where that divides."""
    return heads // 2 if architecture == "llama" and heads % 2 == 0 else heads


def feed_forward(architecture: Architecture, hidden_size: int) -> int:
    """Returns the usual width of the feed-forward layer: 2.5 times the model's where it is gated, else 4 times."""
    return -(-5 * hidden_size // 128) * 64 if _gated(architecture) else 4 * hidden_size


def _gated(architecture: Architecture) -> bool:
    return architecture in ("llama", "t5")


def _shapes() -> Iterator[tuple[int, int]]:
    for width in (*range(32, 256, 32), *range(256, 512, 64), *range(512, 4097, 128)):
        middle = width / _ASPECT
        for layers in range(math.ceil(middle / _SPREAD), math.ceil(middle * _SPREAD) + 1):
            yield width, layers


class ModelConfig(Config):
    """Shape of the model. The vocabulary comes from the tokenizer, the number of positions from the context length.

    `size` decides whatever is left out; what is given stands, and what follows from it (heads from the width, say)
    follows from what is given. A model that starts from another's weights has that model's shape.
    """

    architecture: Architecture = "llama"
    """`llama` and `gpt2` are decoders, `bert` is an encoder, `t5`, `bart` (learned positions) and `marian` (sinusoidal
    positions) have both. Only decoders are fine-tuned and evaluated so far."""
    size: str = "5m"
    """About how many parameters, from `1m` to `1b`: decides every number below that is not given."""
    hidden_size: int = Field(default=0, ge=8)
    """Width of the model."""
    layers: int = Field(default=0, ge=1)
    """Transformer blocks; with both an encoder and a decoder, of each."""
    decoder_layers: int = Field(default=0, ge=0)
    """Transformer blocks of the decoder beside an encoder; 0 where there is only one stack."""
    heads: int = Field(default=0, ge=1)
    """Attention heads; they divide `hidden_size` into even parts."""
    kv_heads: int = Field(default=0, ge=1)
    """Key and value heads; they divide `heads`. Only `llama` can have fewer than heads."""
    intermediate_size: int = Field(default=0, ge=8)
    """Width of the feed-forward layer."""
    tied_embeddings: bool = True
    """Use one matrix for input and output embeddings: half the weights of a small model."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability that a value is dropped in training: attention weights, and but for `llama` activations too."""

    @field_validator("size", mode="before")
    @classmethod
    def _as_text(cls, size: Any) -> Any:
        return str(size) if isinstance(size, int) and not isinstance(size, bool) else size

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Derives what is not given, so that whoever reads a configuration sees every number."""
        if not isinstance(given, dict):
            return given
        found = {name: value for name, value in given.items() if value is not None}
        architecture = found.get("architecture", "llama")
        if architecture not in ARCHITECTURES:
            return found  # the field's own error says which there are
        if "hidden_size" not in found or "layers" not in found:
            width, layers = preset(architecture, parse_size(found.get("size", cls.model_fields["size"].default)))
            found.setdefault("hidden_size", width)
            found.setdefault("layers", layers)
        both = FAMILIES[architecture] == "encoder-decoder"
        found.setdefault("decoder_layers", found["layers"] if both else 0)
        if isinstance(found["hidden_size"], int):
            found.setdefault("heads", head_count(found["hidden_size"]))
            found.setdefault("intermediate_size", feed_forward(architecture, found["hidden_size"]))
        if isinstance(found.get("heads"), int):
            found.setdefault("kv_heads", key_value_heads(architecture, found["heads"]))
        return found

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"hidden_size {self.hidden_size} must be an even multiple of heads {self.heads}")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} must be a multiple of kv_heads {self.kv_heads}")
        if self.architecture != "llama" and self.kv_heads != self.heads:
            raise ValueError(f"{self.architecture} has as many key and value heads as heads: leave kv_heads out")
        both = FAMILIES[self.architecture] == "encoder-decoder"
        if both != (self.decoder_layers > 0):
            raise ValueError(
                f"decoder_layers {self.decoder_layers}: {self.architecture} has "
                + ("a decoder, which needs at least one" if both else "one stack only: leave it out")
            )
        if self.architecture in ("t5", "marian") and not self.tied_embeddings:
            raise ValueError(f"transformers' {self.architecture} ties its embeddings: leave tied_embeddings out")
        return self
