"""Input that cannot be read: counted and quarantined with file and line; above the configured share, exit code 4."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mini import DATE, Mini

TEXT = "The quick brown fox is not at all the same as the lazy dog that it jumps over in this example of a text."


@pytest.fixture
def mini(tmp_path: Path) -> Mini:
    return Mini(tmp_path / "project").create()


def test_awkward_input_is_quarantined_with_file_and_line(mini: Mini) -> None:
    records = mini.folder / "data" / "records"
    (records / "broken.jsonl.gz").write_bytes((records / "chinese.jsonl.gz").read_bytes()[:300])
    good = json.dumps({"text": TEXT}).encode()
    (records / "bytes.jsonl").write_bytes(good + b"\n\xff\xfe\xfa\xfb not UTF-8\n" + good + b"\nno JSON\n[1]\n{}\n")
    with (records / "long.jsonl").open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(200):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + good + b"\n")
    pages = mini.folder / "data" / "pages"
    (pages / "empty.txt").touch()
    (pages / "loop").symlink_to(pages)
    mini.change(snapshot__sources__records__max_bad_fraction=0.5)
    said = mini.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "collect")
    assert "quarantined" in said
    quarantined = [
        row
        for file in sorted((mini.store / "artifacts" / "collect").glob("*/quarantine/*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]
    found = {(row["path"], row["line"], row["reason"]) for row in quarantined}
    assert ("bytes.jsonl", 2, "invalid_utf8") in found
    assert ("bytes.jsonl", 4, "not_json") in found
    assert ("long.jsonl", 1, "line_too_long") in found
    assert any(path == "broken.jsonl.gz" and reason == "broken_gzip" for path, _, reason in found)
    assert any(path == "empty.txt" and reason == "empty" for path, _, reason in found)
    manifest = mini.manifest("collect")
    assert manifest["peak_memory_bytes"] < 600 * 2**20, "the long line must not be read into memory"


def test_too_much_bad_input_ends_with_4_and_the_list(mini: Mini) -> None:
    records = mini.folder / "data" / "records"
    (records / "bad.jsonl").write_text("no JSON\n" * 400)
    said = mini.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "collect", code=4)
    assert "bad.jsonl:1" in said and "not_json" in said
    (records / "bad.jsonl").unlink()
    mini.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "collect")


def test_a_failing_expectation_stops_what_follows_and_names_rows(mini: Mini) -> None:
    mini.change(
        validate__expectations={
            "short_texts": {
                "table": "documents",
                "column": "characters",
                "type": "expect_column_values_to_be_between",
                "arguments": {"max_value": 200},
            }
        }
    )
    said = mini.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, code=5)
    outcomes = mini.outcomes()
    assert outcomes["validate"]["outcome"] == "failed"
    assert {outcomes[stage]["outcome"] for stage in ("tokenizer", "pack", "pretrain")} == {"blocked"}
    assert "short_texts" in said and "records:" in said and "characters = " in said
