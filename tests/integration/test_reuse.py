"""What is reused and what is rebuilt, on the real stages through the real command."""

from __future__ import annotations

import json
from pathlib import Path

from mini import STAGES, Mini


def built(outcomes: dict[str, dict[str, object]]) -> set[str]:
    return {stage for stage, found in outcomes.items() if found["outcome"] in ("built", "resumed")}


def test_the_first_run_builds_everything_and_the_second_nothing(project: Mini) -> None:
    assert set(project.statuses().values()) == {"cached"}
    outcomes = project.run()
    assert list(outcomes) == STAGES
    assert {found["outcome"] for found in outcomes.values()} == {"cached"}


def test_a_run_with_nothing_to_do_does_not_import_prefect_or_torch(project: Mini) -> None:
    (project.folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('prefect', 'torch', 'transformers', 'great_expectations', 'polars'):\n"
        "            raise RuntimeError(f'{name} must not be imported')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    path = f"{project.folder}:{project.code}"
    for arguments in (
        ["run", "pipeline.yaml", "--date", "2026-01-01"],
        ["plan", "pipeline.yaml", "--date", "2026-01-01"],
        ["why", "pipeline.yaml", "pretrain"],
        ["ls", "--store", "store"],
        ["show", "pretrain", "--store", "store"],
    ):
        project.nightmill(*arguments, PYTHONPATH=path)


def test_another_learning_rate_reruns_pretraining_and_what_follows(project: Mini) -> None:
    project.change(pretrain__learning_rate=0.003)
    statuses = project.statuses()
    after = set(STAGES[STAGES.index("pretrain") :]) - {"examples.titles", "examples.scripts"}
    assert {stage for stage, status in statuses.items() if status != "cached"} == after
    assert "pretrain.learning_rate: 0.005 → 0.003" in project.nightmill("why", "pipeline.yaml", "pretrain")
    assert built(project.run()) == after


def test_workers_threads_and_the_place_of_the_store_rerun_nothing(project: Mini) -> None:
    project.change(execution__workers=2, execution__threads=1, store="elsewhere")
    project.store.rename(project.folder / "elsewhere")
    assert set(project.statuses().values()) == {"cached"}


def test_two_folders_and_two_hash_seeds_give_the_same_keys_and_digests(prebuilt: Mini, tmp_path: Path) -> None:
    other = Mini(tmp_path / "another" / "place").create()
    other.nightmill("run", "pipeline.yaml", "--no-prefect", "--date", "2026-01-01", PYTHONHASHSEED="12345")
    assert other.digests() == prebuilt.digests()
    mine, theirs = other.outcomes(), prebuilt.outcomes()
    assert {stage: found["key"] for stage, found in mine.items()} == {
        stage: found["key"] for stage, found in theirs.items()
    }


def test_one_new_document_redoes_few_parts(project: Mini) -> None:
    text = " ".join(f"A wholly new sentence about the number {number} and its neighbours." for number in range(30))
    (project.folder / "data" / "pages" / "page-040b.txt").write_text(text)
    outcomes = project.run("--until", "dedup")
    assert built(outcomes) == {"snapshot", "collect", "clean", "dedup"}
    for stage in ("collect", "clean", "dedup"):
        parts = project.manifest(stage)["metrics"]["parts"]
        redone = parts["total"] - parts["reused"]
        assert 0 < redone <= 4 < parts["total"], (stage, parts)


def test_editing_comments_and_the_engine_invalidates_nothing(project: Mini) -> None:
    own = project.with_own_code()
    for path in (own.code / "tasks").rglob("*.py"):
        path.write_text("# a comment\n" + path.read_text() + "\n\n# another\n")
    runner = own.code / "tasks" / "engine" / "runner.py"
    runner.write_text(runner.read_text() + "\nSOMETHING = 1\n")
    assert set(own.statuses().values()) == {"cached"}


def test_editing_a_word_list_or_a_helper_of_clean_reruns_clean_alone_if_its_bytes_stay(project: Mini) -> None:
    own = project.with_own_code()
    words = own.code / "tasks" / "text" / "words" / "en.txt"
    words.write_text(words.read_text() + "thereunto\n")
    assert built(own.run()) == {"clean"}
    helper = next((own.code / "tasks" / "text").glob("markup.py"))
    helper.write_text(helper.read_text() + "\nUNUSED = 1\n")
    assert built(own.run()) == {"clean"}


def test_a_code_change_in_pretrain_alone_holds_until_accepted(project: Mini) -> None:
    own = project.with_own_code()
    helper = own.code / "tasks" / "pretrain" / "pretraining.py"
    helper.write_text(helper.read_text() + "\nUNUSED = 1\n")
    statuses = own.statuses()
    assert statuses["pretrain"] == "held" and statuses["evaluate.titles"] == "held"
    outcomes = own.run(code=6)
    assert outcomes["pretrain"]["outcome"] == "held" and outcomes["finetune.titles"]["outcome"] == "blocked"
    assert "stands for the new code" in own.nightmill("accept", "pipeline.yaml", "pretrain", "--date", "2026-01-01")
    assert set(own.statuses().values()) == {"cached"}
    helper.write_text(helper.read_text() + "\nUNUSED_TOO = 1\n")
    assert own.statuses()["pretrain"] == "held"
    forced = own.run("--force", "pretrain")
    assert built(forced) == {"pretrain"}, "the same bytes came out, so nothing follows"


def test_force_builds_a_stage_again_and_equal_bytes_stop_there(project: Mini) -> None:
    before = project.digests()
    assert built(project.run("--force", "clean")) == {"clean"}
    assert project.digests() == before
    assert project.manifest("clean")["metrics"]["parts"]["reused"] == 0, "forced means computed, not looked up"


def test_until_leaves_what_follows_alone(project: Mini) -> None:
    project.change(clean__quality__en__min_words=4)
    outcomes = project.run("--until", "clean")
    assert built(outcomes) == {"clean"} and outcomes["dedup"]["outcome"] == "skipped"
    assert outcomes["snapshot"]["outcome"] == "cached"


def test_only_needs_what_it_reads_to_be_built(project: Mini) -> None:
    assert "no stage named" in project.nightmill("run", "pipeline.yaml", "--only", "nonsense", code=3)
    assert built(project.run("--only", "evaluate", "--force", "evaluate")) == {
        "evaluate.pretrain",
        "evaluate.titles",
        "evaluate.scripts",
    }
    project.change(pretrain__learning_rate=0.003)
    outcomes = project.run("--only", "evaluate.pretrain", code=5)
    assert outcomes["pretrain"]["outcome"] == "failed" and outcomes["finetune.titles"]["outcome"] == "skipped"
    assert "not among the stages to run" in str(outcomes["pretrain"]["reason"])


def test_from_runs_a_stage_and_what_follows(project: Mini) -> None:
    project.change(pretrain__learning_rate=0.003)
    assert "pretrain" in built(project.run("--from", "pretrain"))


def test_plan_says_with_its_exit_code_whether_there_is_work(project: Mini) -> None:
    project.nightmill("plan", "pipeline.yaml", "--date", "2026-01-01", code=0)
    project.change(clean__quality__en__min_words=4)
    project.nightmill("plan", "pipeline.yaml", "--date", "2026-01-01", code=2)


def test_what_is_listed_and_shown_is_what_was_built(project: Mini, tmp_path: Path) -> None:
    listed = json.loads(project.nightmill("ls", "--store", "store", "--json"))
    assert {row["stage"] for row in listed} == set(STAGES)
    assert "model.safetensors" in project.nightmill("show", "pretrain", "--store", "store")
    project.nightmill("export", "pretrain", str(tmp_path / "model"), "--output", "model", "--store", "store")
    assert (tmp_path / "model" / "config.json").is_file()
    project.nightmill("generate", str(tmp_path / "model"), "The function", "--max-new-tokens", "5")
    answer = json.loads(project.nightmill("predict", "finetune.scripts", "这个函数", "--store", "store", "--json"))
    assert answer[0]["label"] in ("han", "latin")
    assert "is a classifier" in project.nightmill("generate", "finetune.scripts", "x", "--store", "store", code=3)
    assert "did you mean pretrain" in project.nightmill("show", "pretran", "--store", "store", code=3)
    report = Path(project.nightmill("report", "--store", "store").strip())
    assert (project.folder / report).read_text().lstrip().lower().startswith("<!doctype html>")
