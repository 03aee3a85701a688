"""Deleted, truncated and flipped files; full, read-only and foreign stores."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from mini import DATE, STAGES, Mini


def files_of(project: Mini, stage: str) -> list[tuple[str, Path]]:
    manifest = project.manifest(stage)
    return [
        (f"{output}/{file['name']}", project.store / "objects" / file["digest"][:2] / file["digest"][2:])
        for output, found in manifest["outputs"].items()
        for file in found["files"]
    ]


def harm(path: Path, kind: str) -> None:
    if kind == "delete":
        path.unlink()
        return
    path.chmod(0o644)
    if kind == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)


@pytest.mark.parametrize("kind", ["delete", "truncate"])
def test_missing_and_short_files_are_named_and_only_their_stages_rebuilt(project: Mini, kind: str) -> None:
    """Every content file that no other stage shares is harmed at once, then each stage must say which and why."""
    before = project.digests()
    harmed: dict[str, str] = {}
    for stage in ("collect", "clean", "tokenizer", "evaluate.pretrain"):
        name, path = files_of(project, stage)[0]
        harm(path, kind)
        harmed[stage] = name
    said = project.nightmill("plan", "pipeline.yaml", "--date", DATE, code=2)
    told = "is missing" if kind == "delete" else "bytes instead of"
    for name in list(harmed.values())[:1]:
        assert name in said and told in said
    shutil.rmtree(project.store / "parts")
    outcomes = project.run()
    assert {stage for stage, found in outcomes.items() if found["outcome"] != "cached"} == set(harmed)
    for stage, name in harmed.items():
        assert name in outcomes[stage]["reason"] and told in outcomes[stage]["reason"]
    assert project.digests() == before


TOGETHER = (
    ("snapshot", "clean", "validate", "examples.titles"),
    ("collect", "shard", "pack", "evaluate.pretrain"),
    ("dedup", "tokenizer", "examples.scripts", "evaluate.titles"),
    ("pretrain", "evaluate.scripts"),
    ("decontaminate", "finetune.titles", "finetune.scripts"),
)
"""Every stage once; a few at a time, so that a run repairs several."""

SHARING = (
    {"clean", "dedup"},
    {"shard", "decontaminate", "validate"},
    {"tokenizer", "pretrain", "finetune.titles", "finetune.scripts"},
)
"""Stages of which some files are the same objects: whoever is first in the graph makes them again."""


@pytest.mark.parametrize("stages", TOGETHER, ids=" ".join)
def test_the_loss_of_any_file_of_any_artifact_is_noticed_and_repaired(project: Mini, stages: tuple[str, ...]) -> None:
    assert sorted(stage for group in TOGETHER for stage in group) == sorted(STAGES)
    before = project.digests()
    names = []
    for stage in stages:
        for number, (name, path) in enumerate(files_of(project, stage)[:3]):
            harm(path, ("delete", "truncate")[number % 2])
            names.append(name.split("/")[1])
    said = project.nightmill("plan", "pipeline.yaml", "--date", DATE, code=2)
    # The first harmed stage tells its files; those behind it depend on its rebuilding.
    assert "damaged" in said and any(name in said for name in names), said
    outcomes = project.run()
    rebuilt = {name for name, found in outcomes.items() if found["outcome"] != "cached"}
    allowed = set(stages).union(*(sharing for sharing in SHARING if sharing & set(stages)))
    assert rebuilt and rebuilt <= allowed, "only what holds the harmed bytes is built again"
    assert project.digests() == before


def test_verify_finds_flipped_bytes_and_the_next_run_rebuilds_just_those(project: Mini) -> None:
    before = project.digests()
    name, path = files_of(project, "tokenizer")[0]
    harm(path, "flip")
    assert set(project.statuses().values()) == {"cached"}, "a flip cannot be seen without reading"
    said = project.nightmill("verify", "--store", "store", code=5)
    assert "tokenizer" in said and name in said
    outcomes = project.run()
    assert {stage for stage, found in outcomes.items() if found["outcome"] != "cached"} == {"tokenizer"}
    assert project.digests() == before
    assert "0 damaged" in project.nightmill("verify", "--store", "store")


def test_the_stage_that_reads_flipped_bytes_has_them_rebuilt(project: Mini) -> None:
    before = project.digests()
    path = next(path for name, path in files_of(project, "pretrain") if name.endswith("model.safetensors"))
    harm(path, "flip")
    said = project.nightmill(
        "run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--force", "evaluate.pretrain", code=0
    )
    assert "damaged and will be rebuilt" in said
    outcomes = project.outcomes()
    assert {stage for stage, found in outcomes.items() if found["outcome"] != "cached"} == {
        "pretrain",
        "evaluate.pretrain",
    }
    assert project.digests() == before


@pytest.mark.parametrize("place", ["keys", "manifest"])
def test_a_broken_pointer_or_manifest_is_a_miss_with_its_reason(project: Mini, place: str) -> None:
    manifest = project.manifest("clean")
    if place == "keys":
        (project.store / "keys" / manifest["key"]).write_text("{")
    else:
        (project.store / "artifacts" / "clean" / manifest["version"] / "manifest.json").write_text("{")
    said = project.nightmill("plan", "pipeline.yaml", "--date", DATE, code=2)
    assert "damaged: " in said and ("pointer" if place == "keys" else "manifest of clean") in said
    outcomes = project.run()
    assert {stage for stage, found in outcomes.items() if found["outcome"] != "cached"} == {"clean"}


def test_a_full_disk_is_a_clear_error_and_the_next_run_goes_on(small_disk: Path, tmp_path: Path) -> None:
    project = Mini(tmp_path / "project").create()
    project.change(store=str(small_disk / "store"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (5 << 20))
    said = project.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "dedup", code=5)
    assert "No space left on device" in said and "free some space" in said
    ballast.unlink()
    project.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until", "dedup")
    said = project.nightmill("verify", "--store", str(small_disk / "store"))
    assert "0 damaged" in said


def test_a_read_only_store_is_a_clear_error_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    project = Mini(tmp_path / "project").create()
    project.change(store=str(small_disk / "store"))
    arguments = ["run", "pipeline.yaml", "--no-prefect", "--date", DATE, "--until"]
    project.nightmill(*arguments, "collect")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    said = project.nightmill(*arguments, "clean", code=5)
    assert "read-only" in said.lower()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    project.nightmill(*arguments, "clean")
