"""Shapes of models: one dial that is met closely, everything open to change, and what cannot be built refused."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import schemas.config.model
from schemas.architectures import ARCHITECTURES, FAMILIES, Architecture
from schemas.config.model import REFERENCE_VOCABULARY, ModelConfig
from schemas.config.objective import ObjectiveConfig
from schemas.config.pretrain import PretrainConfig
from tasks.modeling.architectures.configs import model_class
from tasks.modeling.architectures.spec import ModelSpec


def parameters(config: ModelConfig) -> int:
    """Counts the weights of a shape as it is built, without memory for them."""
    shape = config.model_dump(exclude={"size"})
    kind, found = model_class(ModelSpec(vocabulary=REFERENCE_VOCABULARY, context_length=64, **shape))
    with torch.device("meta"):
        return sum(weight.numel() for weight in kind(found).parameters() if weight.requires_grad)


@settings(max_examples=60, deadline=None)
@given(size=st.floats(math.log(1e6), math.log(1e9)).map(lambda x: round(math.exp(x))), data=st.data())
def test_the_dial_gives_about_so_many_parameters_in_a_shape_that_can_be_built(size: int, data: Any) -> None:
    architecture = data.draw(st.sampled_from(ARCHITECTURES))
    config = ModelConfig.model_validate({"architecture": architecture, "size": size})
    assert config.hidden_size % 32 == 0 and 24 <= config.hidden_size / config.layers <= 103
    estimated = schemas.config.model.count_parameters(architecture, config.hidden_size, config.layers)
    assert abs(math.log(estimated / size)) < (0.2 if size < 3_000_000 else 0.13)
    assert ModelConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", ["1m", "5m", "50m"])
def test_a_built_model_has_the_size_it_was_asked_for(architecture: Architecture, size: str) -> None:
    config = ModelConfig(architecture=architecture, size=size)
    assert parameters(config) == pytest.approx(int(size[:-1]) * 1e6, rel=0.12)


def test_the_table_of_sizes_is_what_the_dial_gives() -> None:
    rows = re.findall(
        r"^    (\d+[mb]) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +([\d,]+)$",
        schemas.config.model.__doc__ or "",
        re.MULTILINE,
    )
    assert len(rows) == 10
    for size, *numbers, count in rows:
        config = ModelConfig(size=size)
        shape = (config.hidden_size, config.layers, config.heads, config.kv_heads, config.intermediate_size)
        assert shape == tuple(map(int, numbers))
        assert parameters(config) == int(count.replace(",", ""))


def test_the_default_is_the_shape_that_was_measured() -> None:
    config = ModelConfig()
    assert (config.architecture, config.hidden_size, config.layers, config.heads) == ("llama", 256, 4, 4)
    assert (config.kv_heads, config.intermediate_size, config.tied_embeddings, config.dropout) == (2, 640, True, 0.0)


def test_what_is_given_stands_and_the_rest_follows_from_it() -> None:
    config = ModelConfig(size="5m", hidden_size=384, dropout=0.1)
    assert (config.hidden_size, config.layers, config.heads, config.intermediate_size) == (384, 4, 6, 960)
    assert ModelConfig(architecture="bart", layers=2).decoder_layers == 2
    assert ModelConfig(architecture="bart", layers=2, decoder_layers=3).decoder_layers == 3
    assert ModelConfig(heads=8).kv_heads == 4


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"heads": 3}, "even multiple"),
        ({"heads": 4, "kv_heads": 3}, "multiple of kv_heads"),
        ({"architecture": "gpt2", "kv_heads": 2}, "leave kv_heads out"),
        ({"architecture": "bert", "decoder_layers": 2}, "one stack only"),
        ({"architecture": "t5", "decoder_layers": 0}, "needs at least one"),
        ({"architecture": "t5", "tied_embeddings": False}, "ties its embeddings"),
        ({"architecture": "mamba"}, "Input should be 'llama', 'gpt2'"),
        ({"size": "900k"}, "out of range"),
        ({"size": "2b"}, "out of range"),
        ({"size": "large"}, "no number of parameters"),
        ({"layers": 0}, "greater than or equal to 1"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(shape: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate(shape)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", ["causal", "masked", "span_corruption", "infilling"])
def test_an_architecture_that_does_not_suit_an_objective_is_refused(architecture: Architecture, kind: Any) -> None:
    suits = {"causal": "decoder", "masked": "encoder"}.get(kind, "encoder-decoder") == FAMILIES[architecture]
    settings: dict[str, Any] = {"model": {"architecture": architecture}, "objective": {"kind": kind}}
    if suits:
        assert PretrainConfig.model_validate(settings).resolved("x86_64").objective.kind == kind
        return
    with pytest.raises(ValidationError, match=f"{architecture} does not suit the objective {kind}"):
        PretrainConfig.model_validate(settings)


def test_auto_is_what_an_architecture_was_published_with_and_part_of_the_key() -> None:
    for architecture, kind, fraction in (("bert", "masked", 0.15), ("t5", "span_corruption", 0.15)):
        config = PretrainConfig.model_validate({"model": {"architecture": architecture}}).resolved("x86_64")
        assert (config.objective.kind, config.objective.fraction) == (kind, fraction)
    found = ObjectiveConfig(fraction=0.4).of("marian")
    assert (found.kind, found.fraction) == ("infilling", 0.4)
    with pytest.raises(ValidationError, match="shares of one whole"):
        ObjectiveConfig(masked=0.9, replaced=0.2)
