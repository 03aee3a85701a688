"""What stands all over a source is found, frozen, renewed when it is due, and taken out by `clean`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from collected_rows import collected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_stages import Bench, Built
from table_inputs import table_input

from flows.graph import pipeline_graph
from schemas.config.boilerplate import BoilerplateConfig
from schemas.config.clean import CleanConfig
from schemas.config.pipeline import PipelineConfig
from schemas.tables import CLEANED, COLLECTED
from tasks.boilerplate.stage import STAGE as BOILERPLATE
from tasks.clean.stage import STAGE as CLEAN
from tasks.engine.spec import InputSpec
from tasks.text.boilerplate import LINES

NOTICE = "Accept the use of cookies on this page."
CHINESE_NOTICE = "　　本网站使用 Cookie 以改善体验。"
SMALL = {"min_documents": 3, "min_share": 0.5, "renew_after_days": 7}

Row = dict[str, Any]


def document(text: str, number: int, source: str, format: str = "text") -> Row:
    return collected(text, format=format, source=source, offset=number) | {"path": f"{number:04}"}


def pages(source: str, count: int, notice: str = NOTICE, first: int = 0) -> list[Row]:
    """Texts of their own, each with a notice."""
    return [
        document(f"This is the text number {n} of all, and there is more of it.\n{notice}\n", n, source)
        for n in range(first, first + count)
    ]


class Night:
    """The two stages over documents in parts, night after night."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.before: Built | None = None

    def boilerplate(self, parts: dict[str, list[Row]], date: str, **settings: Any) -> Built:
        config = BoilerplateConfig.model_validate({**SMALL, **settings})
        predecessor = None if self.before is None else {"lines": self.before.as_input("lines")}
        documents = table_input(self.bench.store, COLLECTED, parts)
        self.before = self.bench.build(
            BOILERPLATE, config, {"documents": documents}, predecessor=predecessor, date=date
        )
        return self.before

    def clean(self, parts: dict[str, list[Row]], lines: Built | None, **settings: Any) -> Built:
        inputs: dict[str, InputSpec] = {"documents": table_input(self.bench.store, COLLECTED, parts)}
        if lines is not None:
            inputs["lines"] = lines.as_input("lines")
        return self.bench.build(CLEAN, CleanConfig.model_validate(settings), inputs)


def table(built: Built, source: str) -> list[tuple[str, int]]:
    (file,) = [file for file in built.result.outputs["lines"] if file.name == f"{source}.parquet"]
    rows = pl.read_parquet(built.store.objects.path(file.digest))
    assert rows.to_arrow().cast(LINES).schema == LINES
    return list(rows.iter_rows())


def test_lines_of_many_documents_of_a_source_are_found_and_those_of_others_are_not(tmp_path: Path) -> None:
    night = Night(tmp_path)
    parts = {
        "a.parquet": pages("web", 6) + pages("books", 2),
        "b.parquet": [*pages("web", 3, CHINESE_NOTICE, first=6), document(f"x\n<p>{NOTICE}</p>", 20, "web", "html")],
    }
    built = night.boilerplate(parts, "2026-01-01", min_share=0.4)
    assert table(built, "web") == [(NOTICE, 7)]
    assert table(built, "books") == []
    assert built.metrics["made"] == ["books", "web"]
    assert table(night.boilerplate(parts, "2026-01-02", min_share=0.2), "web") == [
        (NOTICE, 7),
        (CHINESE_NOTICE.strip("　"), 3),
    ]


def test_a_line_that_a_document_repeats_counts_once(tmp_path: Path) -> None:
    repeated = [document(f"{NOTICE}\n" * 9 + "And this is all of the text.", 1, "web")]
    assert table(Night(tmp_path).boilerplate({"a.parquet": repeated + pages("web", 1)}, "2026-01-01"), "web") == []


def test_tables_stay_as_they_are_until_they_are_due(tmp_path: Path) -> None:
    night = Night(tmp_path)
    first = night.boilerplate({"a.parquet": pages("web", 4)}, "2026-01-01")
    more = {"a.parquet": pages("web", 4), "b.parquet": pages("web", 20, "Another notice of the same site.", first=4)}
    assert night.boilerplate(more, "2026-01-07").digests() == first.digests()
    renewed = night.boilerplate(more, "2026-01-08")
    assert table(renewed, "web") == [("Another notice of the same site.", 20)]
    assert (renewed.metrics["made"], renewed.metrics["carried_over"]) == (["web"], [])


def test_a_new_source_gets_a_table_and_others_keep_theirs(tmp_path: Path) -> None:
    night = Night(tmp_path)
    first = night.boilerplate({"a.parquet": pages("web", 4)}, "2026-01-01")
    second = night.boilerplate({"a.parquet": pages("web", 9, "Something else.") + pages("news", 5)}, "2026-01-02")
    assert table(second, "web") == table(first, "web")
    assert table(second, "news") == [(NOTICE, 5)]
    assert (second.metrics["made"], second.metrics["carried_over"]) == (["news"], ["web"])


def test_other_settings_make_tables_anew(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.boilerplate({"a.parquet": pages("web", 4)}, "2026-01-01")
    assert table(night.boilerplate({"a.parquet": pages("web", 4)}, "2026-01-02", min_documents=5), "web") == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 12), max_size=3))
def test_how_documents_lie_in_parts_changes_no_table(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    rows = pages("web", 8) + pages("web", 4, CHINESE_NOTICE, first=8)
    bounds = sorted({0, *cuts, 12})
    parts = {f"{n}.parquet": rows[a:b] for n, (a, b) in enumerate(itertools.pairwise(bounds))}
    folder = tmp_path_factory.mktemp("cut")
    cut = Night(folder / "cut").boilerplate(parts, "2026-01-01", min_share=0.2, max_documents=100)
    whole = Night(folder / "whole").boilerplate({"0.parquet": rows}, "2026-01-01", min_share=0.2, max_documents=100)
    assert cut.digests() == whole.digests()


def test_of_a_large_source_a_sample_is_looked_at(tmp_path: Path) -> None:
    night = Night(tmp_path)
    built = night.boilerplate({"a.parquet": pages("web", 1000)}, "2026-01-01", max_documents=100)
    ((line, documents),) = table(built, "web")
    assert line == NOTICE and 50 < documents < 170


def test_clean_takes_the_lines_out_of_their_source_only(tmp_path: Path) -> None:
    night = Night(tmp_path)
    parts = {"a.parquet": pages("web", 4) + pages("books", 1) + [document(NOTICE + "\n" + NOTICE, 9, "web")]}
    lines = night.boilerplate(parts, "2026-01-01")
    cleaned = night.clean(parts, lines)
    texts = {row["source"] + row["path"]: row["text"] for row in cleaned.table("documents", CLEANED)}
    assert texts["web0000"] == "This is the text number 0 of all, and there is more of it."
    assert NOTICE in texts["books0000"]
    assert cleaned.metrics["lines"] == {"web": {"boilerplate": 6}}
    assert cleaned.metrics["dropped"] == {"web": {"only_boilerplate": 1}}
    counted = night.clean(parts, lines, boilerplate="count")
    assert counted.metrics["lines"] == {"web": {"boilerplate": 6}}
    assert counted.table("documents", CLEANED)[1]["text"].endswith(NOTICE)


def test_with_its_table_fixed_cleaning_night_by_night_gives_what_cleaning_at_once_gives(tmp_path: Path) -> None:
    night = Night(tmp_path)
    old, new = pages("web", 6), pages("web", 5, "Another line.", first=6)
    lines = night.boilerplate({"a.parquet": old}, "2026-01-01")
    night.clean({"a.parquet": old}, lines)
    grown = {"a.parquet": old, "b.parquet": new}
    second = night.clean(grown, night.boilerplate(grown, "2026-01-02"))
    assert second.metrics["parts"] == {"total": 2, "reused": 1}
    other = Night(tmp_path / "other")
    at_once = other.clean(grown, other.boilerplate({"a.parquet": old}, "2026-01-01"))
    assert second.digests() == at_once.digests()


def test_cleaning_what_was_cleaned_with_the_same_table_changes_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path)
    parts = {"a.parquet": pages("web", 5, f"x\n\n\n{NOTICE}\n\n\nMail a@b.org for the rest of it.")}
    lines = night.boilerplate(parts, "2026-01-01")
    assert [line for line, _ in table(lines, "web")] == [NOTICE, "Mail <EMAIL> for the rest of it."]
    once = night.clean(parts, lines).table("documents", CLEANED)
    reread = [{**row, "format": "text"} for row in once]
    again = night.clean({"a.parquet": reread}, lines).table("documents", CLEANED)
    assert again == once


def test_the_stage_is_part_of_the_pipeline_where_it_is_enabled() -> None:
    given: dict[str, Any] = {"name": "x", "snapshot": {"sources": {"web": {"path": "web"}}}}
    assert "boilerplate" not in pipeline_graph(PipelineConfig.model_validate(given)).nodes
    given |= {"boilerplate": {"enabled": True}, "clean": {"unicode": {"fold_full_width": True}}}
    graph = pipeline_graph(PipelineConfig.model_validate(given))
    assert graph.nodes["clean"].upstream == ["collect", "boilerplate"]
    assert graph.nodes["boilerplate"].config.unicode.fold_full_width


def test_the_list_of_tables_says_when_and_from_how_many_documents_each_was_made(tmp_path: Path) -> None:
    built = Night(tmp_path).boilerplate({"a.parquet": pages("web", 4)}, "2026-01-01")
    (file,) = [file for file in built.result.outputs["lines"] if file.name == "tables.json"]
    listed = json.loads(built.store.objects.path(file.digest).read_text())
    assert (listed["web"]["date"], listed["web"]["documents"]) == ("2026-01-01", 4)
