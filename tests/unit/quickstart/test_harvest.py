from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.quickstart import corpus
from deployments.quickstart.environment import Environment
from deployments.quickstart.harvest import harvest, main
from deployments.quickstart.layout import STAMP
from schemas.errors import BadInputError, ConfigError, ExitCode

from .conftest import FUNCTION, write_distribution, write_environment

LITTLE = {"en": 1_000, "zh": 100}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def test_every_source_is_laid_out_with_its_licence_and_origin(environment: Environment, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    files = contents(target)
    assert {"readmes/numpy.md", "licences/numpy--licenses--LICENSE.txt", "help/assert.txt"} <= files.keys()
    assert rows(target / "readmes/metadata.jsonl")[0] == {
        "path": "numpy.md",
        "licence": "BSD-3-Clause",
        "origin": "numpy 2.4.6",
    }
    for record in (*rows(target / "docstrings/numpy.jsonl"), *rows(target / "chinese/akshare.jsonl")):
        assert record.keys() == {"text", "licence", "origin", "name", "language"}
        assert record["licence"] and record["origin"].startswith(("numpy ", "akshare "))


def test_pandas_becomes_parquet_and_polars_gzipped(environment: Environment, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("pandas", "polars"):
        functions = "".join(FUNCTION.format(name=f"measure{number}") for number in range(10))
        write_distribution(environment.sites[0], name, "1.0", {f"{name}/__init__.py": functions})
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    assert "text" in pq.read_schema(target / "tables/pandas.parquet").names
    assert rows(target / "docstrings/polars.jsonl.gz")


def test_no_package_is_imported(environment: Environment, tmp_path: Path) -> None:
    harvest(tmp_path / "corpus", environment, LITTLE)
    assert not list((tmp_path / "environment").rglob("imported"))


def test_a_distribution_without_a_licence_is_skipped_and_named(environment: Environment, tmp_path: Path) -> None:
    table = harvest(tmp_path / "corpus", environment, LITTLE)
    assert table is not None and "no licence stated: six 1.17.0" in table
    assert not any("six" in name for name in contents(tmp_path / "corpus"))


def test_what_is_installed_but_not_named_is_not_read(environment: Environment, tmp_path: Path) -> None:
    harvest(tmp_path / "corpus", environment, LITTLE)
    assert not any("unnamed" in name for name in contents(tmp_path / "corpus"))


def test_equal_environments_give_equal_bytes_wherever_they_lie(environment: Environment, tmp_path: Path) -> None:
    harvest(tmp_path / "corpus", environment, LITTLE)
    elsewhere = write_environment(tmp_path / "else" / "where")
    harvest(tmp_path / "another" / "place", elsewhere, LITTLE)
    assert contents(tmp_path / "corpus") == contents(tmp_path / "another" / "place")


def test_a_pool_gives_the_same_bytes(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = environment.sites[0]
    modules = {f"numpy/part{n}.py": FUNCTION.format(name=f"part{n}") for n in range(30)}
    write_distribution(site, "numpy", "2.4.6", modules, "BSD-3-Clause", "Arrays. " * 40)
    harvest(tmp_path / "one", environment, LITTLE)
    monkeypatch.setattr(corpus, "_CHUNK_BYTES", 1)
    harvest(tmp_path / "many", environment, LITTLE)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_a_second_harvest_touches_nothing(environment: Environment, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    assert harvest(target, environment, LITTLE)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert harvest(target, environment, LITTLE) is None
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_a_new_version_renews_its_files_and_leaves_the_times_of_others(
    environment: Environment, tmp_path: Path
) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    before = {name: (target / name).stat().st_mtime_ns for name in contents(target)}
    site = environment.sites[0]
    shutil.rmtree(site / "numpy-2.4.6.dist-info")
    write_distribution(
        site, "numpy", "2.5.0", {"numpy/__init__.py": FUNCTION.format(name="mean")}, description="New. " * 300
    )
    assert harvest(target, environment, LITTLE)
    assert rows(target / "readmes/metadata.jsonl")[0]["origin"] == "numpy 2.5.0"
    assert (target / "readmes/numpy.md").stat().st_mtime_ns != before["readmes/numpy.md"]
    assert (target / "chinese/akshare.jsonl").stat().st_mtime_ns == before["chinese/akshare.jsonl"]


def test_a_damaged_folder_is_made_again(environment: Environment, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    whole = contents(target)
    (target / "readmes/numpy.md").write_bytes(b"")
    (target / "help/assert.txt").unlink()
    assert harvest(target, environment, LITTLE)
    assert contents(target) == whole


@pytest.mark.parametrize("language, name, missing", [("en", "English", "absl-py"), ("zh", "Chinese", "spyder")])
def test_too_little_of_a_language_says_what_is_missing_and_how_to_install_it(
    environment: Environment, tmp_path: Path, language: str, name: str, missing: str
) -> None:
    shutil.rmtree(environment.wheels / next(environment.wheels.glob("spyder-*")).name)
    expected = f"of at least 9,000,000 {name} characters.*not installed: {missing}"
    with pytest.raises(BadInputError, match=expected) as got:
        harvest(tmp_path / "corpus", environment, {**LITTLE, language: 9_000_000})
    assert "pip install" in got.value.hint
    assert not (tmp_path / "corpus").exists()


def test_a_wheel_of_another_version_counts_as_missing(environment: Environment, tmp_path: Path) -> None:
    folder = next(environment.wheels.glob("akshare-*"))
    folder.rename(folder.with_name("akshare-0.0.1.dist-info"))
    with pytest.raises(BadInputError, match=r"not installed: .*akshare"):
        harvest(tmp_path / "corpus", environment, {"en": 0, "zh": 1_000})


def test_an_interrupted_harvest_leaves_the_old_folder_whole(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    whole = contents(target)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "lay_out_tasks", interrupt)
    with pytest.raises(KeyboardInterrupt):
        harvest(target, replace(environment, python="3.11.1"), LITTLE)
    assert contents(target) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", ".corpus.lock", "environment"}


def test_what_a_killed_harvest_left_is_cleared_and_the_old_folder_put_back(
    environment: Environment, tmp_path: Path
) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    whole = contents(target)
    target.rename(tmp_path / ".corpus.previous")  # killed between the two renames of the swap
    (tmp_path / ".corpus.partial" / "readmes").mkdir(parents=True)
    harvest(target, environment, LITTLE)
    assert contents(target) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", ".corpus.lock", "environment"}


def test_a_folder_of_something_else_is_not_replaced(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(ConfigError, match="not made by the quickstart"):
        harvest(tmp_path / "mine", environment, LITTLE)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_the_command_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--target", str(tmp_path / "corpus"), "--wheels", str(tmp_path / "nothing")])
    error = capsys.readouterr().err
    assert code == ExitCode.BAD_INPUT
    assert error.count("\n") == 1 and "akshare" in error and "requirements.txt" in error


def test_labelled_sets_have_inputs_targets_and_languages(environment: Environment, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    sets = {name: rows(target / f"tasks/{name}.jsonl") for name in ("summarise", "library", "translate")}
    for examples in sets.values():
        assert examples
        assert all(row.keys() == {"input", "target", "language"} and row["input"] and row["target"] for row in examples)
        assert len({row["input"] for row in examples}) == len(examples)
    assert {row["language"] for row in sets["summarise"]} == {"en", "zh"}
    assert {row["target"] for row in sets["library"]} == {"numpy"}
    assert {(row["input"], row["target"]) for row in sets["translate"]} == {
        ("Are you sure?", "你确定要继续吗？"),
        ("%(count)d files were deleted.", "已经成功删除了 %(count)d 个文件，这个操作无法撤销。"),
    }


def test_no_labelled_docstring_is_in_the_corpus(environment: Environment, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    harvest(target, environment, LITTLE)
    corpus_texts = "\n".join(
        record["text"]
        for source in ("docstrings/numpy", "chinese/akshare-interfaces")
        for record in rows(target / f"{source}.jsonl")
    )
    summaries = [row["target"] for row in rows(target / "tasks/summarise.jsonl")]
    assert summaries and not any(summary in corpus_texts for summary in summaries)


def test_the_stamp_holds_no_path(environment: Environment, tmp_path: Path) -> None:
    harvest(tmp_path / "corpus", environment, LITTLE)
    assert str(tmp_path) not in (tmp_path / "corpus" / STAMP).read_text("utf-8")
