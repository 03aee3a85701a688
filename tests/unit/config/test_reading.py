"""Configuration files as people write them: anchors, merge keys, slips."""

from __future__ import annotations

import pytest

from schemas.config.reading import override, parse
from schemas.errors import ConfigError


def test_a_merged_key_may_be_set_again() -> None:
    document = parse("base: &base\n  a: 1\n  b: 2\nown:\n  <<: *base\n  b: 3\n", "c.yaml")
    assert document.data["own"] == {"a": 1, "b": 3} and not document.faults
    assert document.lines["own", "b"] == 6 and document.lines["own", "a"] == 2


def test_a_key_that_is_set_twice_is_told_with_its_second_line() -> None:
    document = parse("own:\n  b: 2\n  b: 3\n", "c.yaml")
    assert document.faults == ["c.yaml:3: own.b: is set twice"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date: 2026-02-30\n", "month"),
        ("a: !!int many\n", "many"),
        ("a: !!bool maybe\n", "maybe"),
        ("a: &a [1, *a]\n", "holds itself"),
        ("a: " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("? [1, 2]\n: 3\n", "is no YAML"),
    ],
)
def test_values_that_cannot_be_read_are_faults_of_the_configuration(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text, "c.yaml")


def test_a_value_of_the_command_line_that_is_no_date_is_a_text() -> None:
    document = parse("a: 1\n", "c.yaml")
    override(document, ["a=2026-02-30"])
    assert document.data == {"a": "2026-02-30"}
