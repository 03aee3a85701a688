"""What passes, what does not, and what a person is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from source_stages import Bench, Built
from table_inputs import Row, document, table_input

from schemas.config.validate import ValidateConfig
from schemas.errors import ConfigError, ExitCode, ExpectationFailed
from schemas.expectations import DEFAULTS
from schemas.tables import SHARDED, SPLITS
from tasks.validate.stage import STAGE


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def shards() -> dict[str, list[Row]]:
    sizes = {"train": 30, "valid": 3, "test": 4}
    found: dict[str, list[Row]] = {}
    for split, size in sizes.items():
        rows = [document(f"{split} 文本 {n}", path=f"{split}/{n}.txt", language="zh") for n in range(size)]
        found[split] = [row | {"cluster": row["id"]} for row in rows]
    return found


def validate(bench: Bench, splits: dict[str, list[Row]], **settings: Any) -> Built:
    inputs = {split: table_input(bench.store, SHARDED, {"shard-0.parquet": splits[split]}) for split in SPLITS}
    return bench.build(STAGE, ValidateConfig(**settings), inputs)


def failure(bench: Bench, splits: dict[str, list[Row]], **settings: Any) -> list[str]:
    with pytest.raises(ExpectationFailed) as caught:
        validate(bench, splits, **settings)
    assert caught.value.exit_code is ExitCode.STAGE_FAILED
    return caught.value.details


def test_good_shards_pass_through_unaltered(bench: Bench) -> None:
    splits = shards()
    built = validate(bench, splits)
    for split in SPLITS:
        given = table_input(bench.store, SHARDED, {"shard-0.parquet": splits[split]})
        assert built.result.outputs[split] == given.files
    assert built.metrics == {"rows_in": 37, "rows_out": 37, "expectations": len(DEFAULTS), "unmet": 0}
    assert built.result.warnings == []


def test_diagnostics_load_nothing_from_elsewhere(bench: Bench) -> None:
    built = validate(bench, shards())
    files = {file.name: bench.store.objects.path(file.digest) for file in built.result.diagnostics}
    assert set(files) == {"expectations.json", "data_docs_documents.html", "data_docs_splits.html"}
    verdicts = json.loads(files["expectations.json"].read_text())
    assert [verdict["name"] for verdict in verdicts] == sorted(DEFAULTS)
    assert all(verdict["met"] for verdict in verdicts)
    for name, path in files.items():
        text = path.read_text()
        assert len(text) < 100_000
        if name.endswith(".html"):
            assert "<table" in text
            assert not re.search(r"<(script|link|img|iframe)\b|https?://", text)


def test_every_broken_expectation_is_told_at_once_with_its_rows(bench: Bench) -> None:
    splits = shards()
    splits["train"][0] |= {"licence": " "}
    splits["train"][1] |= {"text": " \n"}
    splits["train"][2] |= {"language": "de"}
    splits["train"][3] |= {"text": "broken \ufffd\ufffd text"}
    splits["test"][0] |= {"cluster": splits["train"][4]["cluster"]}
    splits["valid"][1] = splits["train"][5] | {"path": "again.txt"}
    details = failure(bench, splits)
    told = {line.split(":")[0]: number for number, line in enumerate(details) if not line.startswith(" ")}
    assert list(told) == [
        "clusters_in_one_split",
        "few_replacement_characters",
        "ids_in_one_split",
        "ids_unique",
        "languages_known",
        "licences_stated",
        "text_lengths",
    ]
    assert (
        details[told["licences_stated"] + 1] == f"  train {splits['train'][0]['id']} docs:train/0.txt#0: licence = ' '"
    )
    assert "1 of 37 values" in details[told["languages_known"]]
    assert "train/2.txt" in details[told["languages_known"] + 1]
    assert sum("again.txt" in line for line in details) == 3


def test_an_empty_split_is_refused(bench: Bench) -> None:
    details = failure(bench, shards() | {"test": []})
    assert any("test: documents = 0" in line for line in details)


def test_at_most_so_many_rows_are_named(bench: Bench) -> None:
    splits = shards()
    splits["train"] = [row | {"licence": ""} for row in splits["train"]]
    details = failure(bench, splits, examples=5)
    assert len(details) == 6


def test_expectations_can_be_replaced_turned_off_and_added(bench: Bench) -> None:
    between = "expect_column_values_to_be_between"
    splits = shards()
    splits["train"][0] |= {"licence": ""}
    validate(bench, splits, expectations={"licences_stated": None})
    longer = {"column": "characters", "type": between, "arguments": {"min_value": 1000}}
    assert failure(bench, shards(), expectations={"text_lengths": longer})[0].startswith("text_lengths")
    mean = {"column": "characters", "type": "expect_column_mean_to_be_between", "arguments": {"min_value": 1000}}
    assert failure(bench, shards(), expectations={"mean_length": mean})[0].startswith("mean_length")
    built = validate(bench, shards(), expectations={"mean_length": mean | {"severity": "warning"}})
    assert len(built.result.warnings) == built.metrics["unmet"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"column": "characters", "type": "expect_column_values_to_be_pretty"},
        {"column": "language", "type": "expect_column_mean_to_be_between", "arguments": {"min_value": 1}},
        {"column": "language", "type": "expect_column_values_to_be_in_set", "arguments": {"colour": 1}},
    ],
)
def test_an_unusable_expectation_is_a_fault_of_the_configuration(bench: Bench, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(bench, shards(), expectations={"mine": wrong})
    assert caught.value.where == "validate.expectations.mine"


def test_unknown_columns_and_names_are_refused_when_the_configuration_is_read() -> None:
    with pytest.raises(ValidationError, match="has no column 'text'"):
        ValidateConfig(expectations={"mine": {"column": "text", "type": "expect_column_values_to_be_unique"}})
    with pytest.raises(ValidationError, match="no default lengths to turn off"):
        ValidateConfig(expectations={"lengths": None})
