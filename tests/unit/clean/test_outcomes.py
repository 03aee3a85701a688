"""What a build of `clean` says of documents beside what it keeps: samples, personal data, licences, word lists."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from collected_rows import collected
from hypothesis import given, settings
from hypothesis import strategies as st
from source_stages import Bench, Built
from table_inputs import table_input

from schemas.config.clean import CleanConfig
from schemas.errors import ConfigError, StageFailed
from schemas.tables import CLEANED, COLLECTED, DROPPED
from tasks.clean.look import checked_word_lists, look
from tasks.clean.samples import FILE, chosen, merged
from tasks.clean.stage import STAGE

GOOD = "The list of the files in the folder, and how it is read."
Row = dict[str, Any]


def clean(folder: Path, parts: dict[str, list[Row]], **settings: Any) -> Built:
    bench = Bench(folder)
    inputs = {"documents": table_input(bench.store, COLLECTED, parts)}
    return bench.build(STAGE, CleanConfig.model_validate(settings), inputs)


def samples(built: Built) -> list[Row]:
    (file,) = [file for file in built.result.diagnostics if file.name == FILE]
    found: list[Row] = json.loads(built.store.objects.path(file.digest).read_text())
    return found


def test_rejects_are_shown_without_personal_data_whatever_the_settings(tmp_path: Path) -> None:
    rows = [
        collected("Mail a@b.org 13800138000", offset=0),
        collected("10.0.0.1 " * 9, offset=1),
        collected(GOOD, offset=2),
    ]
    off = {"email": False, "phone": False, "ip": False, "card": False, "iban": False, "resident_id": False}
    built = clean(tmp_path, {"a.parquet": rows}, personal=off, quality={"en": {"min_words": 9}})
    assert {(row["reason"], row["source"], row["sample"]) for row in samples(built)} == {
        ("too_few_words", "docs", "Mail <EMAIL> <PHONE>"),
        ("no_letters", "docs", " ".join(["<IP>"] * 9)),
    }
    assert {row["sample"] for row in built.table("dropped", DROPPED)} == {row["sample"] for row in samples(built)}


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=3), most=st.integers(0, 4))
def test_which_rejects_are_shown_does_not_depend_on_parts(cuts: list[int], most: int) -> None:
    rows = [collected(f"text {n}", source="ab"[n % 3 == 0], offset=n) for n in range(40)]
    dropped = pl.DataFrame(rows).with_columns(
        pl.when(pl.col("offset") % 2 == 0).then(pl.lit("empty")).otherwise(pl.lit("too_short")).alias("reason"),
        pl.col("text").alias("sample"),
    )
    bounds = sorted({0, *cuts, 40})
    parts = [chosen(dropped[begin:end], most) for begin, end in itertools.pairwise(bounds)]
    assert merged(parts, most) == chosen(dropped, most)
    assert len(merged(parts, most)) == 4 * most


def test_personal_data_is_counted_by_source_and_kind(tmp_path: Path) -> None:
    text = GOOD + " Write to jane@example.org or joe@example.org, or call 13800138000."
    rows = [
        collected(text, source="mails"),
        collected(GOOD, source="books"),
        collected("a@b.org", source="books", offset=1),
    ]
    built = clean(tmp_path, {"a.parquet": rows})
    assert built.metrics["personal"] == {"mails": {"email": 2, "phone": 1}}
    (row,) = [row for row in built.table("documents", CLEANED) if row["source"] == "mails"]
    assert row["text"] == GOOD + " Write to <EMAIL> or <EMAIL>, or call <PHONE>."


def test_licences_that_are_not_allowed_are_left_out(tmp_path: Path) -> None:
    licences = ["MIT", "GPL-3.0-only", "", "MIT OR GPL-3.0-only"]
    rows = [{**collected(GOOD, offset=n), "licence": licence} for n, licence in enumerate(licences)]
    for unknown, kept in (("drop", ["MIT", "MIT OR GPL-3.0-only"]), ("keep", ["MIT", "", "MIT OR GPL-3.0-only"])):
        built = clean(tmp_path / unknown, {"a.parquet": rows}, licence={"allow": ["mit"], "unknown": unknown})
        assert [row["licence"] for row in built.table("documents", CLEANED)] == kept
        assert {row["reason"] for row in built.table("dropped", DROPPED)} == {"licence_not_allowed"}


def word_list(path: Path, language: str = "en", **limits: Any) -> dict[str, Any]:
    return {"spam": {"path": str(path), "language": language, **limits}}


def test_documents_with_words_of_a_list_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("casino\n赌博\n", encoding="utf-8")
    texts = [GOOD, GOOD + " Casino!", GOOD + " casinos", "这个文件夹中的文件列表和赌博在这里。"]
    rows = {"a.parquet": [collected(text, offset=n) for n, text in enumerate(texts)]}
    english = clean(tmp_path / "en", rows, word_lists=word_list(path))
    assert english.metrics["dropped"] == {"docs": {"word_list_spam": 1}}
    chinese = clean(tmp_path / "zh", rows, word_lists=word_list(path, "zh"))
    assert [row["offset"] for row in chinese.table("dropped", DROPPED)] == [3]


def test_the_content_of_a_list_counts_and_its_place_does_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    identities = []
    for name, content in (("a.txt", "x\n"), ("b.txt", "x\n"), ("c.txt", "y\n")):
        (tmp_path / name).write_text(content)
        config = CleanConfig.model_validate({"word_lists": word_list(tmp_path / name)})
        identities.append((look(config, bench.store.cache).identity, config.identity()))
    assert identities[0] == identities[1] != identities[2]


def test_a_list_that_is_missing_changed_or_no_text_is_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = tmp_path / "list.txt"
    config = CleanConfig.model_validate({"word_lists": word_list(path)})
    with pytest.raises(ConfigError, match="'spam' cannot be read"):
        look(config, bench.store.cache)
    path.write_bytes(b"fine\nno \xff text\n")
    with pytest.raises(StageFailed, match=r"line 2 of .* is no UTF-8"):
        clean(tmp_path / "x", {"a.parquet": [collected(GOOD)]}, word_lists=word_list(path))
    path.write_text("one")
    seen = look(config, bench.store.cache)
    path.write_text("other")

    class Changed:
        look = seen.detail
        config = CleanConfig.model_validate({"word_lists": word_list(path)})
        folder = tmp_path

    with pytest.raises(StageFailed, match="was changed during the run"):
        checked_word_lists(Changed())  # type: ignore[arg-type]
