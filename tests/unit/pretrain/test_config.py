"""Settings of training: `auto` is resolved from the host's class, saving is execution."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.config.execution import ExecutionConfig
from schemas.config.finetune import FinetuneConfig
from schemas.config.pretrain import PretrainConfig
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("host_class", "expected"),
    [
        ("x86_64", "fp32"),
        ("x86_64-avx2-avx512f", "fp32"),
        ("x86_64-avx2-avx512f-avx512_bf16", "fp32"),
        ("x86_64-amd-avx2-avx512f-avx512_bf16", "bf16"),
        ("x86_64-avx2-avx512f-avx512_bf16-amx_bf16", "bf16"),
        ("aarch64", "fp32"),
    ],
)
def test_auto_is_the_format_that_the_class_of_host_is_fast_in(host_class: str, expected: str) -> None:
    assert PretrainConfig().resolved(host_class).precision == expected
    assert FinetuneConfig(kind="generation", examples="x").resolved(host_class).precision == expected


def test_a_chosen_precision_stays_on_every_host() -> None:
    for precision in ("fp32", "bf16"):
        assert PretrainConfig(precision=precision).resolved("x86_64").precision == precision


def test_two_hosts_of_unlike_speed_do_not_share_a_key() -> None:
    config = PretrainConfig()
    assert config.resolved("x86_64").identity() != config.resolved("x86_64-amx_bf16").identity()
    assert config.resolved("x86_64").identity() == PretrainConfig(precision="fp32").resolved("aarch64").identity()


def test_the_name_of_a_labelled_set_is_no_part_of_what_is_learnt() -> None:
    one, other = (FinetuneConfig(kind="generation", examples=name) for name in ("a", "b"))
    assert one.identity() == other.identity()


@pytest.mark.parametrize(
    ("host_class", "device", "precision"),
    [
        ("x86_64-avx2", "cpu", "fp32"),
        ("x86_64-avx2-cuda-nvidia-h100-80gb-hbm3", "cuda", "bf16"),
        ("x86_64-avx2-cuda-tesla-v100-sxm2-16gb", "cuda", "fp16"),
    ],
)
def test_an_accelerator_is_used_where_the_class_of_host_has_one(host_class: str, device: str, precision: str) -> None:
    resolved = PretrainConfig().resolved(host_class)
    assert (resolved.device, resolved.precision) == (device, precision)
    assert PretrainConfig(device="cpu").resolved(host_class).device == "cpu"


def test_tf32_on_a_processor_is_refused_when_it_is_planned() -> None:
    with pytest.raises(ConfigError, match="tf32"):
        PretrainConfig(precision="tf32").resolved("x86_64")
    assert PretrainConfig(precision="tf32").resolved("x86_64-cuda").precision == "tf32"


def test_a_budget_of_tokens_is_rounded_up_to_whole_steps() -> None:
    assert PretrainConfig().planned_steps == 240
    config = PretrainConfig(tokens=8 * 256 * 5 + 1)
    assert (config.steps, config.planned_steps) == (None, 6)
    again = PretrainConfig.model_validate(config.model_dump())
    assert again == config
    tuned = FinetuneConfig(kind="classification", examples="x", tokens=16 * 160)
    assert tuned.planned_steps == 1


@pytest.mark.parametrize("given", [{"steps": 3, "tokens": 4}, {"steps": None}])
def test_the_budget_is_given_once(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        PretrainConfig(**given)


def test_when_to_validate_decides_the_weights_only_where_a_validation_decides_something() -> None:
    assert PretrainConfig(evaluate_every=7).identity() == PretrainConfig(evaluate_every=8).identity()
    one, other = (PretrainConfig(evaluate_every=every, patience=3).identity() for every in (7, 8))
    assert one != other
    with pytest.raises(ValidationError, match="evaluate_every"):
        FinetuneConfig(kind="generation", examples="x", export="best")


def test_how_it_is_executed_is_no_part_of_what_is_learnt() -> None:
    changed = PretrainConfig(
        activation_checkpointing=True, checkpoint_every=3, checkpoint_minutes=2, keep_checkpoints=5
    )
    assert changed.identity() == PretrainConfig().identity()


def test_settings_of_one_stage_take_the_place_of_the_general_ones() -> None:
    execution = ExecutionConfig.model_validate(
        {
            "devices": 2,
            "sharded": True,
            "threads": 4,
            "stages": {"pretrain": {"devices": 3}, "finetune": {"threads": 1}},
        }
    )
    pretrain, finetune = execution.of("pretrain"), execution.of("finetune.titles")
    assert (pretrain.devices, pretrain.sharded, pretrain.threads, pretrain.restarts) == (3, True, 4, 2)
    assert (finetune.devices, finetune.threads) == (2, 1)
