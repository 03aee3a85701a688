"""The stage as a whole: nothing is lost, everything is counted, and how rows are cut changes no byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from token_stages import build_stage

from schemas.config.clean import CleanConfig
from schemas.tables import CLEANED, COLLECTED, DROPPED
from tasks.clean import part as part_module
from tasks.clean.part import clean_part
from tasks.clean.stage import STAGE
from tasks.engine.stage import Part, StoredFile
from tasks.tables.parquet import TableWriter
from tasks.text.words import FOLDER

Documents = Callable[..., pl.DataFrame]

TEXTS = [
    "The list of the files in the folder, and how it is read.",
    "这个文件夹中的文件列表在这里，我们读取它。",
    "Dieses Paket enthält die Dokumentation für Entwickler und Anwender.",
    "",
    "I donâ€™t know what the \ue000icon of this page should have been.",
    "The end.",
]


def clean(folder: Path, documents: pl.DataFrame, row_group_size: int = 4096) -> tuple[Path, dict[str, object]]:
    """Runs the part function on a table written in row groups of a size."""
    folder.mkdir(parents=True)
    path = folder / "in.parquet"
    pq.write_table(documents.to_arrow().select(COLLECTED.names).cast(COLLECTED), path, row_group_size=row_group_size)
    file = SimpleNamespace(path=path, stored=StoredFile("part-0.parquet", "", 0))
    out = folder / "out"
    out.mkdir()
    return out, dict(clean_part(Part("part-0", [file], {"settings": CleanConfig().identity()}), out))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=60) | st.sampled_from(TEXTS), max_size=12), format=st.sampled_from(["text", "html"])
)
def test_no_document_is_lost_whatever_its_text(
    tmp_path_factory: pytest.TempPathFactory, documents: Documents, texts: list[str], format: str
) -> None:
    if not texts:
        return
    given_documents = documents(texts, format)
    out, figures = clean(tmp_path_factory.mktemp("lost") / "x", given_documents)
    kept, dropped = (pl.read_parquet(out / f"{name}.parquet") for name in ("documents", "dropped"))
    assert kept["id"].to_list() + dropped["id"].to_list() != []
    assert sorted([*kept["id"], *dropped["id"]]) == sorted(given_documents["id"])
    assert figures["rows_in"] == len(texts)
    assert figures["rows_out"] == kept.height
    # Order is the input's.
    order = given_documents["id"].to_list()
    assert kept["id"].to_list() == [i for i in order if i in set(kept["id"])]


def test_how_rows_are_cut_changes_no_byte(
    tmp_path: Path, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = documents(TEXTS * 7)
    whole, figures = clean(tmp_path / "whole", table)
    groups, figures_of_groups = clean(tmp_path / "groups", table, row_group_size=5)
    monkeypatch.setattr(part_module, "BATCH_BYTES", 100)
    batches, figures_of_batches = clean(tmp_path / "batches", table)
    assert digests(whole) == digests(groups) == digests(batches)
    assert figures == figures_of_groups == figures_of_batches


def test_an_empty_part_gives_empty_tables(tmp_path: Path, documents: Documents) -> None:
    out, figures = clean(tmp_path / "none", documents(TEXTS).clear())
    assert pq.read_schema(out / "documents.parquet") == CLEANED
    assert pq.read_schema(out / "dropped.parquet") == DROPPED
    assert figures["rows_in"] == figures["rows_out"] == 0


def test_a_build_keeps_names_and_counts_every_drop_by_source_and_reason(tmp_path: Path, documents: Documents) -> None:
    given_folder = tmp_path / "collected"
    given_folder.mkdir()
    for name, source in (("part-a.parquet", "manuals"), ("part-b.parquet", "notes")):
        with TableWriter(given_folder / name, COLLECTED) as writer:
            writer.write(documents(TEXTS, source=source).to_arrow())
    outputs, result = build_stage(STAGE, CleanConfig(), {"documents": given_folder}, tmp_path / "build")
    for output in ("documents", "dropped"):
        assert sorted(file.name for file in (outputs / output).iterdir()) == ["part-a.parquet", "part-b.parquet"]
    kept = pl.read_parquet(outputs / "documents" / "part-a.parquet")
    assert kept["language"].to_list() == ["en", "zh", "en"]
    assert kept["text"][2] == "I don’t know what the icon of this page should have been."
    dropped = pl.read_parquet(outputs / "dropped" / "part-a.parquet")
    assert dropped["reason"].to_list() == ["other_language", "empty", "too_short"]
    assert dropped["sample"].to_list() == [TEXTS[2], "", "The end."]
    metrics = result.metrics
    reasons = {"empty": 1, "other_language": 1, "too_short": 1}
    assert metrics["dropped"] == {"manuals": reasons, "notes": reasons}
    assert metrics["languages"] == {"en": 4, "zh": 2}
    assert (metrics["rows_in"], metrics["rows_out"], metrics["repaired"]) == (12, 6, 2)
    assert metrics["characters_in"] > metrics["characters_out"] > 0
    assert {file.name: file.rows for file in result.outputs["documents"]} == {"part-a.parquet": 3, "part-b.parquet": 3}


@pytest.mark.parametrize("name", ["en", "en_only", "zh"])
def test_word_lists_have_no_word_twice(name: str) -> None:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    words = Counter(line for line in lines if line and not line.startswith("#"))
    assert words and max(words.values()) == 1
