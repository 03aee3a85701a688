"""What `nightmill show` tells of a document, from a store that the real stages made."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from mini import Mini

from flows.documents import find_documents, print_history
from schemas.errors import ConfigError
from tasks.history.document import History, Step
from tasks.store.store import Store


def rows(project: Mini, stage: str, output: str) -> list[dict[str, Any]]:
    found = []
    for file in project.manifest(stage)["outputs"][output]["files"]:
        path = project.store / "objects" / file["digest"][:2] / file["digest"][2:]
        for number, row in enumerate(pq.read_table(path).to_pylist()):
            found.append(row | {"file": file["name"], "row": number})
    return found


def shown(project: Mini, what: str) -> list[dict[str, Any]]:
    return [one.to_json() for one in find_documents(Store.open(project.store), what)]


def refusal(project: Mini, what: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find_documents(Store.open(project.store), what)
    return str(caught.value)


def place(row: dict[str, Any]) -> str:
    return f"{row['source']}:{row['path']}#{row['offset']}"


def steps(history: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["stage"]: step["facts"] for step in history["steps"]}


def test_a_document_is_followed_from_its_source_to_the_models(prebuilt: Mini) -> None:
    train = rows(prebuilt, "validate", "train")
    for language in ("en", "zh"):
        row = next(row for row in train if row["language"] == language)
        (history,) = [one for one in shown(prebuilt, row["id"]) if f"{one['path']}" == row["path"]]
        assert (history["source"], history["offset"]) == (row["source"], row["offset"])
        told = steps(history)
        assert told["collect"]["first_seen"] == "2026-01-01" and told["collect"]["licence"] == row["licence"]
        assert told["clean"] == {"language": language}
        assert {name: told["validate"][name] for name in ("split", "file", "row")} == {
            "split": "train",
            "file": row["file"],
            "row": row["row"],
        }
        readers = {(reader["node"], reader["split"]) for reader in history["readers"]}
        assert {("pretrain", "train"), ("finetune.titles", "train")} <= readers
        assert shown(prebuilt, place(row)) == [history]
        assert history in shown(prebuilt, row["id"][:16])
    said = prebuilt.nightmill("show", row["id"][:16], "--store", "store")
    assert f"{row['file']} row {row['row']}" in said and "read by        pretrain" in said
    assert json.loads(prebuilt.nightmill("show", place(row), "--store", "store", "--json")) == [history]


def test_a_document_names_the_bytes_it_was_read_from(prebuilt: Mini) -> None:
    for source, place, path in (
        ("pages", "captured.tar!/site.warc#1", "captured.tar"),
        ("records", "english.jsonl#0", "english.jsonl"),
    ):
        (history,) = shown(prebuilt, f"{source}:{place}")
        sha256 = hashlib.sha256((prebuilt.folder / "data" / source / path).read_bytes()).hexdigest()
        assert steps(history)["collect"]["file"] == {"path": path, "sha256": sha256, "last_changed": "2026-01-01"}
        said = prebuilt.nightmill("show", f"{source}:{place}", "--store", "store")
        assert f"file {path}, sha256 {sha256}, last changed 2026-01-01" in said
        assert (", of 2026-01-01T00:00:00Z" in said) == (source == "pages")


def test_held_out_documents_are_named_as_such(prebuilt: Mini) -> None:
    row = rows(prebuilt, "validate", "test")[0]
    (history,) = shown(prebuilt, place(row))
    assert steps(history)["validate"]["split"] == "test"
    assert {reader["split"] for reader in history["readers"]} == {"test"}


def test_a_duplicate_names_what_stays_and_that_names_it(prebuilt: Mini) -> None:
    gone = rows(prebuilt, "dedup", "duplicates")
    assert gone
    for row in gone[:3]:
        (history,) = shown(prebuilt, place(row))
        facts = steps(history)["dedup"]
        assert (facts["kept"], facts["kind"], facts["cluster"]) == (row["kept"], row["kind"], row["cluster"])
        assert "validate" not in steps(history)
        stays = [steps(one)["dedup"].get("stands_for", []) for one in shown(prebuilt, row["kept"])]
        assert any(other["place"] == place(row) for others in stays for other in others)


def test_what_was_dropped_or_quarantined_says_why(prebuilt: Mini) -> None:
    dropped = rows(prebuilt, "clean", "dropped")
    for row in dropped[:2]:
        (history,) = shown(prebuilt, place(row))
        assert steps(history)["clean"] == {"dropped": row["reason"], "sample": row["sample"]}
        assert history["readers"] == []
    (bad,) = rows(prebuilt, "collect", "quarantine")
    (history,) = shown(prebuilt, f"{bad['source']}:{bad['path']}#{bad['line'] - 1}")
    assert steps(history)["collect"]["quarantined"] == "not_json"


def test_what_names_none_or_many_is_told_with_a_way_on(prebuilt: Mini) -> None:
    unknown = prebuilt.nightmill("show", "0123456789abcdef0123456789abcdef", "--store", "store", code=3)
    assert "no document" in unknown and "source:path#offset" in unknown
    assert "the sources are: pages, records" in refusal(prebuilt, "nothing:a.txt#0")
    many = refusal(prebuilt, "records:english.jsonl")
    assert "names 97 documents" in many and "and 77 more" in many
    assert "did you mean dedup" in prebuilt.nightmill("show", "dedupe", "--store", "store", code=3)
    assert "is neither an artifact nor a document" in refusal(prebuilt, "abc")


def test_an_unreadable_table_is_named_and_the_rest_is_told(project: Mini) -> None:
    row = rows(project, "validate", "train")[0]
    file = project.manifest("clean")["outputs"]["dropped"]["files"][0]
    path = project.store / "objects" / file["digest"][:2] / file["digest"][2:]
    harmed = project.manifest("validate")["outputs"]["test"]["files"][0]["digest"]
    for target in (path, project.store / "objects" / harmed[:2] / harmed[2:]):
        target.chmod(0o644)
        target.write_bytes(b"no parquet")
    (history,) = shown(project, place(row))
    assert any("validate.test/" in note and "nightmill verify" in note for note in history["notes"])
    assert steps(history)["validate"]["split"] == "train"


def test_names_and_samples_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e中文.txt"
    step = Step("clean", "v", f"dropped: {hostile}", {"dropped": "x", "sample": hostile})
    print_history(History("p", "0" * 32, "docs", hostile, 0, [step], [], []))
    said = capsys.readouterr().out
    assert "中文.txt" in said and not {"\x1b", "\x07", "\u202e"} & set(said)
