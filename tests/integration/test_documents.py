"""What README and CONTRIBUTING say is done here as they say it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from mini import ROOT, SETTINGS, Mini
from token_stages import chinese_texts, english_texts


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language in a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_commands_for_your_own_data_work_as_written(tmp_path: Path) -> None:
    """With a smaller model, so that it takes seconds: the only thing that is changed."""
    texts = tmp_path / "home" / "texts"
    texts.mkdir(parents=True)
    for number, text in enumerate(english_texts(200) + chinese_texts(150)):
        (texts / f"text-{number}.md").write_text(text, encoding="utf-8")
    commands = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    assert commands[0] == ". .venv/bin/activate" and len(commands) > 10
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "NO_COLOR": "1",
    }
    for command in commands[1:]:
        if command.startswith("nightmill run"):
            command += " --no-prefect"
        found = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        expected = 2 if command.startswith("nightmill plan") else 0
        assert found.returncode == expected, (command, found.stdout, found.stderr)
        if command.startswith("nightmill init"):
            config = tmp_path / "my-model" / "pipeline.yaml"
            settings = yaml.safe_load(config.read_text())
            settings["tokenizer"] |= {
                "vocab_size": 700,
                "character_coverage": {"en": 0.99, "zh": 0.99},
                "model_max_length": 64,
            }
            settings["pretrain"] = SETTINGS["pretrain"]
            settings["shard"] = {"valid_fraction": 0.1, "test_fraction": 0.1}
            settings["evaluate"] = SETTINGS["evaluate"]
            config.write_text(yaml.safe_dump(settings))
    assert (tmp_path / "my-model" / "exported" / "model.safetensors").is_file()


def test_the_stage_of_the_worked_example_runs(project: Mini) -> None:
    own = project.with_own_code()
    config, stage = blocks("CONTRIBUTING.md", "python")
    (own.code / "schemas" / "config" / "census.py").write_text(config)
    (own.code / "tasks" / "census").mkdir()
    (own.code / "tasks" / "census" / "__init__.py").write_text('"""Counts."""\n')
    (own.code / "tasks" / "census" / "stage.py").write_text(stage)
    (diff,) = blocks("CONTRIBUTING.md", "diff")
    apply(diff, own.code)
    project.change(census__min_characters=10)
    outcomes = own.run()
    assert {name for name, found in outcomes.items() if found["outcome"] != "cached"} == {"census"}
    assert outcomes["census"]["rows_out"] > 1


def apply(diff: str, folder: Path) -> None:
    """Applies a diff whose hunks are found by their context, without line numbers."""
    path = folder
    for piece in re.split(r"^(?=--- |@@)", diff, flags=re.MULTILINE):
        if piece.startswith("---"):
            path = folder / piece.splitlines()[1].removeprefix("+++ b/")
        elif piece.startswith("@@"):
            lines = piece.splitlines()[1:]
            before = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
            after = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
            text = path.read_text()
            assert text.count(before) == 1, f"{path} no longer holds {before!r}"
            path.write_text(text.replace(before, after))


def test_each_command_shows_an_example_that_names_itself() -> None:
    mini = Mini(ROOT)
    shown = mini.nightmill("--help")
    commands = re.findall(r"^│ (\w+) ", shown, flags=re.MULTILINE)
    assert {"init", "plan", "run", "why", "status", "ls", "show", "verify", "export", "report"} <= set(commands)
    assert {"generate", "predict", "accept"} <= set(commands)
    for command in commands:
        assert f"Example: nightmill {command}" in mini.nightmill(command, "--help"), command


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("init", "plan", "why", "run", "accept", "status", "ls", "show", "verify", "export", "report"):
        assert f"`{command}" in text, command
