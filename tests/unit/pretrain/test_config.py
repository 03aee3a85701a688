"""Settings of training: `auto` is resolved from the host's class, saving is execution."""

from __future__ import annotations

import pytest

from schemas.config.finetune import FinetuneConfig
from schemas.config.pretrain import PretrainConfig


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
