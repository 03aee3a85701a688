"""What passes, what does not, and what a person is told."""

from __future__ import annotations

import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from source_stages import Bench, Built
from table_inputs import Row, card_input, document, table_input
from token_stages import chinese_texts, english_texts

from schemas.config.validate import ValidateConfig
from schemas.errors import ConfigError, ExitCode, ExpectationFailed
from schemas.expectations import DEFAULTS
from schemas.manifest import FileRecord
from schemas.tables import SHARDED, SPLITS
from tasks.engine.spec import InputSpec
from tasks.tables.parquet import write_table
from tasks.validate.stage import STAGE


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def clustered(row: Row) -> Row:
    return row | {"cluster": row["id"]}


def shards() -> dict[str, list[Row]]:
    sizes = {"train": 30, "valid": 3, "test": 4}
    found: dict[str, list[Row]] = {}
    for split, size in sizes.items():
        rows = [document(f"{split} 第 {n} 篇不短的文本", path=f"{split}/{n}.txt", language="zh") for n in range(size)]
        found[split] = [clustered(row) for row in rows]
    return found


def inputs_of(bench: Bench, splits: dict[str, list[Row]], files: int = 1) -> dict[str, InputSpec]:
    found = {"card": card_input(bench.store, splits)}
    for split in SPLITS:
        cut = {f"shard-{number}.parquet": splits[split][number::files] for number in range(files)}
        found[split] = table_input(bench.store, SHARDED, cut)
    return found


def validate(bench: Bench, splits: dict[str, list[Row]], **settings: Any) -> Built:
    return bench.build(STAGE, ValidateConfig(**settings), inputs_of(bench, splits))


def failure(bench: Bench, splits: dict[str, list[Row]], **settings: Any) -> list[str]:
    with pytest.raises(ExpectationFailed) as caught:
        validate(bench, splits, **settings)
    assert caught.value.exit_code is ExitCode.STAGE_FAILED
    return caught.value.details


def read(built: Built, name: str) -> Any:
    files = [*built.result.diagnostics, *built.result.outputs["profile"]]
    return json.loads(next(built.store.objects.path(file.digest) for file in files if file.name == name).read_text())


def test_good_shards_pass_through_unaltered(bench: Bench) -> None:
    splits = shards()
    built = validate(bench, splits)
    inputs = inputs_of(bench, splits)
    (card,) = inputs["card"].files
    folder = {card.name: card.digest}
    for split in SPLITS:
        assert built.result.outputs[split] == inputs[split].files
        folder |= {f"{split}/{file.name}": file.digest for file in inputs[split].files}
    assert {file.name: file.digest for file in built.result.outputs["dataset"]} == folder
    metrics = built.metrics
    assert (metrics["rows_in"], metrics["rows_out"], metrics["unmet"]) == (37, 37, 0)
    assert metrics["expectations"] == len(DEFAULTS)
    assert metrics["baseline"] == {"date": "2026-01-01", "why": "first"}
    assert built.result.warnings == []


def test_diagnostics_load_nothing_from_elsewhere(bench: Bench) -> None:
    built = validate(bench, shards())
    files = {file.name: bench.store.objects.path(file.digest) for file in built.result.diagnostics}
    tables = {expectation.table for expectation in DEFAULTS.values()}
    assert set(files) == {"expectations.json", "drift.json"} | {f"data_docs_{table}.html" for table in tables}
    verdicts = read(built, "expectations.json")
    assert [verdict["name"] for verdict in verdicts] == sorted(DEFAULTS)
    assert all(verdict["met"] for verdict in verdicts)
    for name, path in files.items():
        text = path.read_text()
        assert len(text) < 100_000
        if name.endswith(".html"):
            assert "<table" in text
            assert not re.search(r"<(script|link|img|iframe)\b|https?://", text)


def test_hostile_values_of_documents_stay_text_in_the_pages(bench: Bench) -> None:
    splits = shards()
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    splits["train"][0] |= {"language": hostile, "source": hostile}
    known = DEFAULTS["languages_known"].model_dump() | {"severity": "warning"}
    built = validate(bench, splits, expectations={"languages_known": known})
    for file in built.result.diagnostics:
        if file.name.endswith(".html"):
            text = bench.store.objects.path(file.digest).read_text()
            assert "<script" not in text and "<img" not in text
            assert "default-src 'none'" in text


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
        "held_out_apart",
        "ids_in_one_split",
        "ids_unique",
        "languages_known",
        "licences_stated",
        "text_lengths",
    ]
    assert (
        details[told["licences_stated"] + 1]
        == f"  train {splits['train'][0]['id']} docs:train/0.txt#0: licence_characters = 0"
    )
    assert "1 of 37 values" in details[told["languages_known"]]
    assert "train/2.txt" in details[told["languages_known"] + 1]
    assert sum("again.txt" in line for line in details) == 4
    assert details[told["held_out_apart"] + 1].endswith(f"to train {splits['train'][5]['id']} docs:train/5.txt#0")


def test_an_empty_split_is_refused(bench: Bench) -> None:
    details = failure(bench, shards() | {"test": []})
    assert any("test: documents = 0" in line for line in details)


def test_at_most_so_many_rows_are_named(bench: Bench) -> None:
    splits = shards()
    splits["train"] = [row | {"licence": ""} for row in splits["train"]]
    details = failure(bench, splits, examples=5)
    assert len(details) == 6


def test_files_of_another_schema_are_named_with_what_differs(bench: Bench, tmp_path: Path) -> None:
    inputs = inputs_of(bench, shards())
    rows = pa.Table.from_pylist(shards()["train"], schema=SHARDED)
    wrong = rows.drop_columns(["licence"]).append_column("note", rows["id"])
    wrong = wrong.set_column(wrong.column_names.index("offset"), "offset", rows["offset"].cast(pa.int32()))
    path = tmp_path / "odd.parquet"
    write_table(path, wrong, wrong.schema)
    digest, size = bench.store.objects.take(path)
    odd = FileRecord(name="odd.parquet", digest=digest, size=size, rows=30)
    inputs["train"] = InputSpec(files=[*inputs["train"].files, odd], folder="")
    with pytest.raises(ExpectationFailed) as caught:
        bench.build(STAGE, ValidateConfig(), inputs)
    told = "\n".join(caught.value.details)
    assert (
        "train odd.parquet: schema_faults = 3 (licence is missing; note is unknown; offset is int32, not int64)" in told
    )


def test_missing_values_are_counted_by_column(bench: Bench, tmp_path: Path) -> None:
    inputs = inputs_of(bench, shards())
    loose = pa.schema([field.with_nullable(True) for field in SHARDED])
    rows = [clustered(document(f"a text of number {n}", path=f"n/{n}")) for n in range(5)]
    rows[1] |= {"id": None, "language": None}
    rows[2] |= {"text": None}
    path = tmp_path / "loose.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=loose), loose)
    digest, size = bench.store.objects.take(path)
    odd = FileRecord(name="loose.parquet", digest=digest, size=size, rows=5)
    inputs["train"] = InputSpec(files=[*inputs["train"].files, odd], folder="")
    with pytest.raises(ExpectationFailed) as caught:
        bench.build(STAGE, ValidateConfig(), inputs)
    told = "\n".join(caught.value.details)
    assert "train loose.parquet: nulls = 3 (id 1, language 1, text 1)" in told


def near(rows: list[Row], number: int, share: float) -> Row:
    """A held-out copy of a training document with a share of its words, or characters, replaced."""
    source = random.Random(number)
    row = rows[number]
    pieces = list(row["text"]) if row["language"] == "zh" else row["text"].split()
    edited = [f"{source.random():.6f}"[2:4] if source.random() < share else piece for piece in pieces]
    text = ("" if row["language"] == "zh" else " ").join(edited)
    return clustered(document(text, path=f"edited/{number}.txt", language=row["language"]))


def realistic() -> dict[str, list[Row]]:
    """Documents in both languages, none like another; the held-out ones are English."""
    texts = [(text, "zh") for text in dict.fromkeys(chinese_texts(40))]
    texts += [(text, "en") for text in dict.fromkeys(english_texts(80))]
    rows = [clustered(document(text, path=f"{n}.txt", language=language)) for n, (text, language) in enumerate(texts)]
    return {"train": rows[:-20], "valid": rows[-20:-10], "test": rows[-10:]}


def test_near_duplicates_across_the_split_are_found_in_both_languages_and_named(bench: Bench) -> None:
    splits = realistic()
    assert validate(bench, splits).metrics["held_out_near"] == 0
    chinese, english = 0, len(splits["train"]) - 2
    splits["test"] += [near(splits["train"], number, 0.005) for number in (chinese, english)]
    splits["valid"] += [near(splits["train"], number + 1, 0.5) for number in (chinese, english)]
    strict = DEFAULTS["held_out_apart"].model_dump() | {"arguments": {"max_value": 0.8}}
    first, *rows = failure(bench, splits, expectations={"held_out_apart": strict})
    assert first.startswith("held_out_apart") and len(rows) == 2
    for number, copy in zip((chinese, english), splits["test"][-2:], strict=True):
        (row,) = [row for row in rows if copy["id"] in row]
        assert row.endswith(f"to train {splits['train'][number]['id']} docs:{splits['train'][number]['path']}#0")


def test_personal_data_that_was_left_is_a_warning_by_default_and_names_no_datum(bench: Bench) -> None:
    splits = shards()
    splits["train"][3] |= {"text": "联系 zhang@qq.com 或 13812345678"}
    built = validate(bench, splits)
    (warning,) = built.result.warnings
    assert warning.startswith("no_personal_data") and "train/3.txt#0: personal = 2" in warning
    assert "qq.com" not in warning


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
        {"column": "characters", "type": "expect_column_values_to_match_regex", "arguments": {"regex": "("}},
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
    for wrong in ("expect_column_mean_to_be_between", "expect_column_values_to_be_between"):
        with pytest.raises(ValidationError, match="compares numbers, but"):
            ValidateConfig(expectations={"mine": {"column": "language", "type": wrong, "arguments": {"min_value": 1}}})
    with pytest.raises(ValidationError, match="no default lengths to turn off"):
        ValidateConfig(expectations={"lengths": None})


def test_drift_is_told_against_the_night_that_was_accepted(bench: Bench) -> None:
    settings = {"drift": {"min_documents": 20}}
    first = validate(bench, shards(), **settings)
    other = shards()
    other["train"] = [clustered(document("长" * 5000 + str(n), path=f"long/{n}", language="zh")) for n in range(30)]
    inputs = inputs_of(bench, other)
    before = {"profile": first.as_input("profile")}
    second = bench.build(STAGE, ValidateConfig(**settings), inputs, predecessor=before, date="2026-01-02")
    assert [warning.split(":")[0] for warning in second.result.warnings] == ["lengths_stable"]
    assert "docs zh: length_psi = " in second.result.warnings[0]
    assert read(second, "baseline.json") == read(first, "baseline.json")
    accepted = ValidateConfig(drift={"min_documents": 20, "accept": "2026-01-02"})
    third = bench.build(STAGE, accepted, inputs, predecessor=before, date="2026-01-02")
    assert third.result.warnings == [] and third.metrics["baseline"]["why"] == "accepted"
    late = bench.build(STAGE, ValidateConfig(**settings), inputs, predecessor=before, date="2026-03-02")
    assert read(late, "baseline.json")["profile"] == read(first, "profile.json")
    assert late.metrics["baseline"] == {"date": "2026-03-02", "why": "renewed"}


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, list[Row]]:
    splits = shards()
    for _ in range(draw(st.integers(2, 6))):
        split = draw(st.sampled_from(SPLITS))
        number = draw(st.integers(0, len(splits[split]) - 1))
        other = draw(st.sampled_from(splits["train"]))
        change = draw(
            st.sampled_from(
                [
                    {"licence": ""},
                    {"text": ""},
                    {"language": "de"},
                    {"text": "a\ufffd", "cluster": other["cluster"]},
                    {"text": other["text"], "path": "copy"},
                    {"id": other["id"], "path": "twin"},
                    {"text": "a@b.org 与 13812345678"},
                ]
            )
        )
        splits[split][number] = splits[split][number] | change
    return splits


def verdicts(folder: Path, splits: dict[str, list[Row]], files: int) -> tuple[Any, Any]:
    """Verdicts and what is told of them, whether the run goes on or not."""
    bench = Bench(folder)
    config = {name: found.model_dump() | {"severity": "warning"} for name, found in DEFAULTS.items()}
    built = bench.build(STAGE, ValidateConfig(expectations=config, examples=100), inputs_of(bench, splits, files))
    return read(built, "expectations.json"), [sorted(warning.split("\n")) for warning in built.result.warnings]


@settings(max_examples=4, deadline=None)
@given(spoiled(), st.integers(2, 5), st.randoms(use_true_random=False))
def test_verdicts_depend_neither_on_the_cut_into_shards_nor_on_the_order_of_rows(
    splits: dict[str, list[Row]], files: int, source: random.Random
) -> None:
    shuffled = {split: source.sample(rows, len(rows)) for split, rows in splits.items()}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        assert verdicts(Path(one), splits, 1) == verdicts(Path(other), shuffled, files)
