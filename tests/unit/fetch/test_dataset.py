"""Datasets of the `datasets` library: folders under test, of the hub only what it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_stages import Bench, documents, ledger

from schemas.config.remote_sources import DatasetsSource
from schemas.errors import ConfigError
from tasks.fetch.dataset import hub_arguments

ROWS = [{"text": f"row {number} 文", "licence": "MIT", "other": number} for number in range(7)]


def parquet(folder: Path, rows: list[dict[str, Any]] = ROWS) -> DatasetsSource:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "part.parquet")
    return DatasetsSource(type="datasets", path=folder, chunk_rows=3)


def saved(folder: Path, *, splits: bool) -> DatasetsSource:
    import datasets

    found = datasets.Dataset.from_list(ROWS)
    if splits:
        datasets.DatasetDict({"train": found, "test": found.take(1)}).save_to_disk(str(folder))
    else:
        found.save_to_disk(str(folder))
    return DatasetsSource(type="datasets", path=folder, chunk_rows=3)


@pytest.mark.parametrize("kind", ["parquet", "saved", "splits"])
def test_every_kind_of_folder_gives_the_same_documents(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "data"
    source = parquet(place) if kind == "parquet" else saved(place, splits=kind == "splits")
    bench = Bench(tmp_path)
    built = bench.collect({"set": source}, bench.refreshed({"set": source}))
    assert [(row["path"], row["offset"], row["text"], row["licence"]) for row in documents(built)] == [
        (f"rows-{number // 3:08}.jsonl", number % 3, f"row {number} 文", "MIT") for number in range(7)
    ]


def test_a_folder_that_was_not_touched_is_not_read_again_and_one_that_was_is_mirrored(tmp_path: Path) -> None:
    source, bench = parquet(tmp_path / "data"), Bench(tmp_path)
    first = bench.refreshed({"set": source})
    (tmp_path / "data/part.parquet").rename(tmp_path / "hidden")
    (tmp_path / "hidden").rename(tmp_path / "data/part.parquet")
    assert bench.take_look({"set": source})["set"].transferred == 0
    parquet(tmp_path / "data", [*ROWS, {"text": "new", "licence": "MIT", "other": 0}])
    assert bench.take_look({"set": source})["set"].transferred == 1, "the first two chunks have the same bytes"
    parquet(tmp_path / "data", ROWS[:3])
    assert [row["path"] for row in ledger(bench.refreshed({"set": source}, first, 2))] == ["rows-00000000.jsonl"]


def test_a_limit_and_a_split_are_respected(tmp_path: Path) -> None:
    source, bench = saved(tmp_path / "data", splits=True), Bench(tmp_path)
    limited = source.model_copy(update={"limit": 4})
    test = source.model_copy(update={"split": "test"})
    for chosen, count in ((limited, 4), (test, 1)):
        built = bench.collect({"set": chosen}, bench.refreshed({"set": chosen}))
        assert len(documents(built)) == count


def test_what_the_hub_is_asked_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "hub-token")
    revision = "0123456789abcdef0123456789abcdef01234567"
    source = DatasetsSource(
        type="datasets",
        hub="owner/name",
        revision=revision,
        name="zh",
        split="validation",
        token="env:TEST_TOKEN",
    )
    assert hub_arguments(source) == {
        "path": "owner/name",
        "name": "zh",
        "split": "validation",
        "revision": revision,
        "token": "hub-token",
        "streaming": True,
    }


def test_a_dataset_that_cannot_be_read_is_down_and_one_without_texts_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(ConfigError, match="no column 'text'") as error:
        bench.take_look({"set": parquet(tmp_path / "columns", [{"body": "x"}])})
    assert "body" in error.value.hint
    with pytest.raises(ConfigError, match="no split 'valid'"):
        bench.take_look({"set": saved(tmp_path / "splits", splits=True).model_copy(update={"split": "valid"})})
    broken = parquet(tmp_path / "broken")
    (tmp_path / "broken/part.parquet").write_bytes(b"PAR1 no parquet PAR1")
    looked = bench.take_look({"set": broken})["set"]
    assert looked.outcome == "down" and looked.detail
    (tmp_path / "empty").mkdir()
    source = DatasetsSource(type="datasets", path=tmp_path / "empty")
    assert bench.take_look({"set": source})["set"].reason == "not_there"
