"""Labelled sets: checked, deduplicated, split by their inputs."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from source_stages import Bench, Built

from schemas.config.examples import ExamplesConfig
from schemas.errors import BadInputError, ConfigError
from schemas.tables import EXAMPLES, SPLITS
from tasks.examples.stage import STAGE


def write(path: Path, records: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def records(count: int, start: int = 0) -> list[dict[str, str]]:
    return [
        {
            "input": f"question {n}" if n % 2 else f"问题 {n}",
            "target": f"label {n % 3}",
            "lang": "en" if n % 2 else "zh",
        }
        for n in range(start, start + count)
    ]


def build(folder: Path, path: Path, **settings: Any) -> Built:
    wanted = {"path": path, "kind": "generation", "language_field": "lang", "min_split_examples": 1, **settings}
    return Bench(folder).build(STAGE, ExamplesConfig.model_validate(wanted))


def splits(built: Built) -> dict[str, list[dict[str, str]]]:
    return {split: built.table(split, EXAMPLES) for split in SPLITS}


def side_of(built: Built) -> dict[str, str]:
    return {row["input"]: split for split, rows in splits(built).items() for row in rows}


def test_examples_are_split_sorted_and_counted_by_language(tmp_path: Path) -> None:
    built = build(tmp_path, write(tmp_path / "set.jsonl", records(600)))
    found = splits(built)
    assert sum(map(len, found.values())) == built.metrics["rows_out"] == built.metrics["rows_in"] == 600
    for split, fraction in {"train": 0.8, "valid": 0.1, "test": 0.1}.items():
        assert abs(len(found[split]) / 600 - fraction) < 0.05
        ids = [row["id"] for row in found[split]]
        assert ids == sorted(set(ids))
        assert sum(built.metrics["examples"][split].values()) == len(found[split])
    assert {row["language"] for row in found["train"]} == {"en", "zh"}


def test_an_input_stays_on_its_side_when_examples_are_added_or_reordered(tmp_path: Path) -> None:
    before = side_of(build(tmp_path / "x", write(tmp_path / "a.jsonl", records(300))))
    after = side_of(build(tmp_path / "y", write(tmp_path / "b.jsonl", records(200, 300) + records(300)[::-1])))
    assert all(after[text] == side for text, side in before.items())


def test_equal_inputs_count_once_and_conflicts_are_told(tmp_path: Path) -> None:
    doubled = [
        *records(100),
        *({**record, "input": record["input"] + " ", "target": "other"} for record in records(10)),
    ]
    built = build(tmp_path, write(tmp_path / "set.jsonl", doubled))
    assert (built.metrics["rows_out"], built.metrics["repeated"], built.metrics["conflicting"]) == (100, 10, 10)
    assert "another target" in built.result.warnings[0]
    assert all(row["target"] != "other" for rows in splits(built).values() for row in rows)


def test_parquet_and_folders_give_the_same_examples_as_json_lines(tmp_path: Path) -> None:
    one = build(tmp_path / "x", write(tmp_path / "set.jsonl", records(200)))
    (tmp_path / "set").mkdir()
    pq.write_table(pa.Table.from_pylist(records(120)), tmp_path / "set/a.parquet")
    write(tmp_path / "set/b.jsonl", records(80, 120))
    two = build(tmp_path / "y", tmp_path / "set")
    assert one.digests() == two.digests()


def test_a_maximum_keeps_a_stable_choice(tmp_path: Path) -> None:
    few = side_of(build(tmp_path / "x", write(tmp_path / "a.jsonl", records(400)), max_examples=100))
    more = side_of(build(tmp_path / "y", write(tmp_path / "a.jsonl", records(400)), max_examples=200))
    assert len(few) == 100
    assert few.items() <= more.items()


def test_another_seed_splits_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", records(200))
    assert side_of(build(tmp_path / "x", path)) != side_of(build(tmp_path / "y", path, seed=1))


def test_classes_are_counted_and_labels_may_be_numbers(tmp_path: Path) -> None:
    rows = [{"input": f"text {n}", "target": n % 2} for n in range(200)]
    path = write(tmp_path / "a.jsonl", rows)
    built = build(tmp_path, path, kind="classification", language="en", language_field=None)
    assert set(built.metrics["classes"]["train"]) == {"0", "1"}
    assert sum(sum(found.values()) for found in built.metrics["classes"].values()) == 200


def test_one_class_is_nothing_to_learn(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{**record, "target": "same"} for record in records(100)])
    with pytest.raises(BadInputError, match="at least two classes"):
        build(tmp_path, path, kind="classification")


def test_bad_records_are_counted_and_kept_aside(tmp_path: Path) -> None:
    bad = ["no json", {"input": "x"}, {**records(1)[0], "lang": "de"}, {"input": " ", "target": "y", "lang": "en"}]
    path = write(tmp_path / "a.jsonl", records(100) + bad)
    built = build(tmp_path / "x", path)
    assert built.metrics["quarantined"] == {"empty": 1, "missing_field": 1, "not_json": 1, "unknown_language": 1}
    assert [file.name for file in built.result.diagnostics] == ["quarantine.jsonl"]
    with pytest.raises(BadInputError) as error:
        build(tmp_path / "y", path, max_bad_fraction=0.03)
    assert error.value.details[0].startswith("a.jsonl:101: not_json")


def test_a_nearly_empty_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"too few examples in valid \(\d\), test \(\d\)"):
        build(tmp_path, write(tmp_path / "a.jsonl", records(40)), min_split_examples=10)


def test_a_set_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        build(tmp_path, tmp_path / "nowhere.jsonl")
    (tmp_path / "web").mkdir()
    with pytest.raises(ConfigError, match="no file with examples"):
        build(tmp_path, tmp_path / "web")


@pytest.mark.parametrize(
    "settings",
    [{"language": "en"}, {"language_field": None}, {"valid_fraction": 0.6, "test_fraction": 0.5}, {"target": "input"}],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build(tmp_path, tmp_path, **settings)
