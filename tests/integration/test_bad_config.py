"""A configuration that cannot be used: exit code 3, every fault at once, each with its line and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from mini import SETTINGS, Mini


@pytest.fixture
def mini(tmp_path: Path) -> Mini:
    return Mini(tmp_path / "project").create()


def line_of(mini: Mini, text: str) -> int:
    lines = mini.config.read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_every_fault_is_told_at_once_with_its_line(mini: Mini) -> None:
    mini.change(
        pretrain__stepz=3,
        pretrain__learning_rate="quick",
        dedup__threshold=7,
        collect__part_bytes=1,
        snapshot__sources__pages__path="nowhere",
    )
    said = mini.nightmill("plan", "pipeline.yaml", code=3)
    for text, told in (
        ("stepz", "did you mean steps?"),
        ("learning_rate: quick", "number"),
        ("threshold: 7", "less than or equal to 1"),
        ("part_bytes: 1", "greater than or equal to 1024"),
    ):
        line = next(found for found in said.splitlines() if told in found)
        assert f"pipeline.yaml:{line_of(mini, text)}:" in line, line


def test_missing_folders_are_told_with_their_line(mini: Mini) -> None:
    mini.change(snapshot__sources__pages__path="nowhere", examples__titles__path="no.jsonl")
    said = mini.nightmill("run", "pipeline.yaml", code=3)
    assert f"pipeline.yaml:{line_of(mini, 'nowhere')}" in said and f"pipeline.yaml:{line_of(mini, 'no.jsonl')}" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "is no YAML"),
        ("", "holds no settings"),
        ("- a\n- b\n", "holds no settings"),
        ("name: mini\nname: again\nsnapshot: {sources: {}}\n", "is set twice"),
        ("name: Not A Name\nsnapshot: {sources: {a: {path: .}}}\n", "match pattern"),
        ("snapshot: {sources: {a: {path: .}}}\n", "name: is missing"),
        ("name: !!python/object/apply:os.system ['true']\n", "is no YAML"),
    ],
)
def test_a_file_that_is_no_configuration(mini: Mini, text: str, told: str) -> None:
    mini.config.write_text(text)
    assert told in mini.nightmill("plan", "pipeline.yaml", code=3)


def test_a_file_that_is_not_there_or_not_text(mini: Mini) -> None:
    assert "does not exist" in mini.nightmill("plan", "other.yaml", code=3)
    assert "is a folder" in mini.nightmill("plan", ".", code=3)
    mini.config.write_bytes(b"name: \xff\xfe")
    assert "is not UTF-8" in mini.nightmill("plan", "pipeline.yaml", code=3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "pretrain.steps=none"], "--set pretrain.steps"),
        (["--set", "nonsense"], "is no setting"),
        (["--force", "pretrian"], "no stage named"),
        (["--from", "pack", "--until", "clean"], "no stage is left"),
        (["--date", "2026-02-30"], "no date of the calendar"),
        (["--date", "yesterday"], "write it like"),
        (["--unknown-option"], "No such option"),
    ],
)
def test_a_command_line_that_cannot_be_used(mini: Mini, arguments: list[str], told: str) -> None:
    assert told in mini.nightmill("plan", "pipeline.yaml", *arguments, code=3)


def test_names_that_do_not_fit_together_are_told(mini: Mini) -> None:
    mini.change(finetune__titles__examples="nothing")
    assert "there is no labelled set 'nothing'" in mini.nightmill("plan", "pipeline.yaml", code=3)


def test_a_setting_may_be_overridden_on_the_command_line(mini: Mini) -> None:
    assert SETTINGS["pretrain"]["steps"] != 5
    mini.nightmill("plan", "pipeline.yaml", "--set", "pretrain.steps=5", "--set", "finetune={}", code=2)


def test_other_commands_tell_what_is_missing(mini: Mini) -> None:
    assert "is no store" in mini.nightmill("ls", "--store", "nowhere", code=3)
    mini.config.write_text(yaml.safe_dump(SETTINGS))
    assert "no stage named" in mini.nightmill("why", "pipeline.yaml", "nonsense", code=3)
    assert "nothing is held" in mini.nightmill("accept", "pipeline.yaml", "pretrain", code=3)
