"""A nightly lineage keeps its tokenizer while it fits, on the real stages through the real command."""

from __future__ import annotations

import random
from typing import Any

import yaml
from mini import Mini

UNTIL = ("--until", "pack")


def statuses(project: Mini) -> dict[str, str]:
    found = project.statuses()
    return {name: found[name] for name in ("snapshot", "validate", "tokenizer", "pack")}


def tokenizer(project: Mini) -> str:
    return str(project.manifest("tokenizer")["outputs"]["tokenizer"]["digest"])


def metrics(project: Mini) -> dict[str, Any]:
    found: dict[str, Any] = project.manifest("tokenizer")["metrics"]
    return found


def add_english(project: Mini) -> None:
    for number in range(3):
        text = " ".join(
            f"Sentence {number}.{line} tells of a wholly new thing and its neighbours." for line in range(9)
        )
        (project.folder / "data" / "pages" / f"new-{number}.txt").write_text(text, encoding="utf-8")


def add_unusual_chinese(project: Mini) -> None:
    """Text of characters that the tokenizer has no pieces for, between some that it has."""
    draw = random.Random(1)
    for number in range(60):
        lines = ["".join(chr(draw.randrange(0x7000, 0x7040)) for _ in range(30)) for _ in range(12)]
        text = "\n".join(f"这是{line[:15]}的{line[15:]}。" for line in lines)
        (project.folder / "data" / "pages" / f"rare-{number}.txt").write_text(text, encoding="utf-8")


def test_new_text_keeps_the_tokenizer_and_a_rerun_finds_everything_cached(project: Mini) -> None:
    before = tokenizer(project)
    project.change(tokenizer__mode="reuse")
    add_english(project)
    assert statuses(project)["tokenizer"] in ("run", "depends")
    outcomes = project.run(*UNTIL)
    assert outcomes["tokenizer"]["outcome"] == outcomes["pack"]["outcome"] == "built"
    assert tokenizer(project) == before
    assert metrics(project)["reused"] is True
    assert metrics(project)["when_trained"].keys() == metrics(project)["languages"].keys() == {"en", "zh"}
    assert project.manifest("pack")["metrics"]["parts"]["reused"] > 0

    assert set(statuses(project).values()) == {"cached"}
    assert project.run(*UNTIL)["tokenizer"]["outcome"] == "cached"


def test_text_that_it_fits_no_longer_holds_until_a_new_lineage_is_begun(project: Mini) -> None:
    before = tokenizer(project)
    project.change(tokenizer__mode="reuse")
    add_unusual_chinese(project)
    said = project.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", "2026-01-02", *UNTIL, code=6)
    assert "the tokenizer fits the text no longer" in said
    assert "zh: byte fallback share" in said
    assert "--set tokenizer.mode=train" in said
    outcomes = project.outcomes()
    assert (outcomes["tokenizer"]["outcome"], outcomes["pack"]["outcome"]) == ("held", "blocked")
    project.run(*UNTIL, code=6)  # it holds until somebody decides
    assert tokenizer(project) == before

    project.run(*UNTIL, "--set", "tokenizer.mode=train")
    after = tokenizer(project)
    assert after != before
    assert metrics(project)["reused"] is False
    project.run(*UNTIL)  # the next night goes on from the new one
    assert tokenizer(project) == after
    assert metrics(project)["reused"] is True
    assert set(statuses(project).values()) == {"cached"}


def test_higher_limits_keep_a_tokenizer_that_fits_no_longer(project: Mini) -> None:
    before = tokenizer(project)
    limits = {"max_fertility_growth": 9.0, "max_byte_fallback_growth": 99.0, "min_byte_fallback_share": 1.0}
    project.change(tokenizer__mode="reuse", tokenizer__reuse=limits)
    add_unusual_chinese(project)
    project.run(*UNTIL)
    assert tokenizer(project) == before


def test_other_settings_of_training_begin_a_new_lineage(project: Mini) -> None:
    before = tokenizer(project)
    project.change(tokenizer__mode="reuse", tokenizer__vocab_size=800)
    project.run(*UNTIL)
    assert tokenizer(project) != before
    assert metrics(project)["vocabulary"] == 800
    assert any("tokenizer.vocab_size changed" in warning for warning in project.manifest("tokenizer")["warnings"])
    assert set(statuses(project).values()) == {"cached"}


def test_the_tokenizer_of_another_pipeline_or_a_version_serves_too(project: Mini) -> None:
    before = project.manifest("tokenizer")
    data = yaml.safe_load(project.config.read_text(encoding="utf-8"))
    for reference in ("mini/tokenizer", before["version"]):
        data |= {"name": "other", "tokenizer": {"mode": "reuse", "reuse": {"reference": reference}}}
        project.config.write_text(yaml.safe_dump(data), encoding="utf-8")
        add_english(project)
        project.run(*UNTIL)
        found = project.manifest("other/tokenizer")
        assert found["outputs"]["tokenizer"]["digest"] == before["outputs"]["tokenizer"]["digest"]
        assert set(statuses(project).values()) == {"cached"}

    data["tokenizer"]["reuse"]["reference"] = "nobody/tokenizer"
    project.config.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert statuses(project)["tokenizer"] == "held"
    said = project.nightmill("run", "pipeline.yaml", "--no-prefect", *UNTIL, code=6)
    assert "no tokenizer 'nobody/tokenizer'" in said
    data["tokenizer"]["reuse"]["reference"] = "other/tokenizer"
    project.config.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert "names this pipeline itself" in project.nightmill("plan", "pipeline.yaml", code=3)
