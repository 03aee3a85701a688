"""The folder of the finished data, as other tools open it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml
from mini import Mini

from schemas.ledger import LedgerRow
from schemas.tables import ORIGIN

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def exported(prebuilt: Mini, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "data"
    prebuilt.nightmill("export", "validate", str(folder), "--output", "dataset", "--store", str(prebuilt.store))
    return folder


def test_the_exported_folder_opens_as_it_is(prebuilt: Mini, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    manifest = prebuilt.manifest("validate")
    rows = {split: sum(file["rows"] for file in manifest["outputs"][split]["files"]) for split in SPLITS}
    cache = str(exported.parent / "cache")
    by_card = datasets.load_dataset(str(exported), cache_dir=cache)
    assert {split: found.num_rows for split, found in by_card.items()} == rows
    patterns = {split: str(exported / split / "*.parquet") for split in SPLITS}
    by_pattern = datasets.load_dataset("parquet", data_files=patterns, cache_dir=cache)
    assert {split: found.num_rows for split, found in by_pattern.items()} == rows
    frame = pl.read_parquet(exported / "**/*.parquet")
    assert frame.height == sum(rows.values())
    (count,) = duckdb.sql(f"select count(distinct id) from read_parquet('{exported}/**/*.parquet')").fetchall()
    assert count == (sum(rows.values()),)
    assert sorted(by_card["train"]["id"]) == sorted(pl.read_parquet(exported / "train/*.parquet")["id"])


def test_every_row_bears_what_was_collected_of_its_origin(prebuilt: Mini, exported: Path, tmp_path: Path) -> None:
    for stage, output in (("collect", "documents"), ("snapshot", "files")):
        prebuilt.nightmill("export", stage, str(tmp_path / stage), "--output", output, "--store", str(prebuilt.store))
    origin = [column.name for column in ORIGIN]
    collected = pl.read_parquet(tmp_path / "collect/*.parquet").select(origin)
    finished = pl.read_parquet(exported / "**/*.parquet")
    assert finished.join(collected, on=origin, how="anti").is_empty()
    page = finished.filter(pl.col("origin") == "https://example.org/240")
    assert page.select("path", "date").row(0) == ("captured.tar!/site.warc", "2026-01-01T00:00:00Z")
    files = pl.read_ndjson(tmp_path / "snapshot/files.jsonl")
    assert set(files.columns) == LedgerRow.__required_keys__
    read = finished.with_columns(pl.col("path").str.split("!/").list.first()).join(files, on=["source", "path"])
    assert read.height == finished.height
    for source, path, sha256 in read.select("source", "path", "sha256").unique().iter_rows():
        assert hashlib.sha256((prebuilt.folder / "data" / source / path).read_bytes()).hexdigest() == sha256


def test_the_card_says_what_is_there(prebuilt: Mini, exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    found = yaml.safe_load(header)
    assert found["language"] == ["en", "zh"]
    assert found["license"] == ["cc0-1.0", "mit"]
    assert found["configs"][0]["data_files"][0] == {"split": "train", "path": "train/*.parquet"}
    frame = pl.read_parquet(exported / "train/*.parquet")
    for (source, licence, language), rows in frame.group_by("source", "licence", "language"):
        assert f"| {source} | {licence} | {language} |" in body, rows
    count = frame.filter(pl.col("language") == "zh").height
    assert f"| train | zh | {count:,} |" in body
    view = prebuilt.store / "artifacts" / "validate"
    (version,) = view.iterdir()
    shard = next((version / "dataset" / "train").iterdir())
    assert shard.samefile(version / "train" / shard.name)
