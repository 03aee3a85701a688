"""What is cut, what is dropped, what stays, and what is read again."""

from __future__ import annotations

import json
import random
from importlib import metadata
from pathlib import Path

import pytest
from decontaminated import build, example, row, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import decontaminate, tokens
from source_stages import Bench, Built
from table_inputs import Row, table_input

from schemas.config.decontaminate import DecontaminateConfig
from schemas.errors import BadInputError, ConfigError, StageFailed
from schemas.tables import HITS, SHARDED
from tasks.decontaminate.stage import STAGE

QUESTION = "what did the seven old sailors bring home from the island beyond the northern sea"
FILLER = " ".join(f"Here sentence {number} tells of nothing in particular, slowly." for number in range(30))
CHINESE = "那七个老水手从北方大海彼岸的岛上带回家的究竟是什么东西"
CHINESE_FILLER = "".join(f"这里第{number}句话说的都是些无关紧要的事情。" for number in range(30))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_sentences_that_a_question_stands_in_are_cut_and_the_rest_reads_on(bench: Bench) -> None:
    english = f"{FILLER}\n\nOne asked: {QUESTION.title()}? Nobody knew. They left.\n\nThe end."
    chinese = f"{CHINESE_FILLER}有人问，{CHINESE}？没有人知道。"
    built = build(
        bench,
        [row(english, "a"), row(chinese, "b", "zh"), row(FILLER, "c")],
        [example(1, QUESTION), example(2, CHINESE, language="zh")],
    )
    assert texts(built) == {
        "a": f"{FILLER}\n\nNobody knew. They left.\n\nThe end.",
        "b": f"{CHINESE_FILLER}没有人知道。",
        "c": FILLER,
    }
    hits = {hit["path"]: hit for hit in built.table("hits", HITS)}
    assert hits.keys() == {"a", "b"}
    for path, text, example_id, said in (("a", english, 1, QUESTION.title()), ("b", chinese, 2, CHINESE)):
        hit = hits[path]
        assert (hit["evaluation"], hit["example"]) == ("examples.questions.test", f"{example_id:032x}")
        assert [text[span["begin"] : span["end"]] for span in hit["spans"]] == [said]
        assert hit["action"] == "cut"
        assert 0 < hit["share"] <= 0.2
    assert built.metrics["evaluations"]["examples.questions.test"] == {
        "examples": 2, "short_texts": 2, "hit": 2, "documents": 2
    }  # fmt: skip
    assert built.metrics["sources"]["docs"]["zh"] == {"rows_in": 1, "cut": 1, "dropped": 0, "rows_out": 1}


def test_a_document_that_is_mostly_a_question_is_dropped(bench: Bench) -> None:
    built = build(bench, [row(f"Asked: {QUESTION}? Who knows.", "a"), row(FILLER, "b")], [example(1, QUESTION)])
    assert texts(built).keys() == {"b"}
    assert [(hit["path"], hit["action"]) for hit in built.table("hits", HITS)] == [("a", "dropped")]
    assert built.metrics["rows_in"] - built.metrics["rows_out"] == built.metrics["dropped"] == 1
    kept = build(
        bench, [row(f"Asked: {QUESTION}? Who knows.", "a"), row(FILLER, "b")], [example(1, QUESTION)], max_share=1
    )
    assert kept.metrics["dropped"] == 1, "two words of sixteen are a torso"


def test_own_held_out_splits_count_as_evaluation_sets_and_pass_unchanged(bench: Bench) -> None:
    held = [row(f"{QUESTION} and more", "v")]
    train = [row(f"{FILLER} {QUESTION}. {FILLER}", "a")]
    built = build(bench, train, valid=held, test=[row(f"{CHINESE}。", "t", "zh")])
    assert texts(built) == {"a": f"{FILLER} {FILLER}"}
    for split, rows in (("valid", held), ("test", [row(f"{CHINESE}。", "t", "zh")])):
        given_file = table_input(bench.store, SHARDED, {"shard-0.parquet": rows}).files[0]
        assert built.digests()[split] == [(given_file.name, given_file.digest)]


def test_short_texts_are_found_whole_and_labels_never(bench: Bench) -> None:
    short = "Where have all the seven sailors gone today"
    inside = f"{FILLER} He wondered where have all the seven sailors gone today with her. {FILLER}"
    alone = f"{FILLER}\n- WHERE have all the seven sailors gone, today?\n{FILLER}"
    rows = [row(inside, "a"), row(alone, "b"), row(f"{FILLER} Nothing in particular, slowly", "c")]
    built = build(bench, rows, [example(1, short, "nothing in particular, slowly")])
    assert texts(built) == {"a": inside, "b": f"{FILLER}\n{FILLER}", "c": rows[2]["text"]}


def test_what_many_documents_say_is_boilerplate_unless_it_is_an_answer(bench: Bench) -> None:
    notice = "permission is hereby granted free of charge to any person obtaining a copy of this"
    rows = [row(f"{FILLER} Number {number}. {notice}.", f"{number:02}") for number in range(6)]
    common = build(bench, rows, [example(1, notice)], boilerplate_documents=5)
    assert texts(common) == {found["path"]: found["text"] for found in rows}
    assert common.digests()["train"][0][1] == table_input(bench.store, SHARDED, {"s": rows}).files[0].digest
    assert common.metrics["ngrams"]["boilerplate"] == common.metrics["ngrams"]["shared"] == 3
    rare = build(bench, rows, [example(1, notice)], boilerplate_documents=6)
    answer = build(bench, rows, [example(1, "what does it say", notice)], boilerplate_documents=5)
    assert rare.metrics["cut"] == answer.metrics["cut"] == 6
    assert texts(rare) == texts(answer)


def test_a_cut_that_makes_a_question_is_cut_again(bench: Bench) -> None:
    first, second = "the first half of what they ask ", "is joined to the second half when cut"
    other = "some thirteen words that another question has between them and nobody else ever said"
    text = f"{FILLER}\n{first}\n{other}\n{second}\n{FILLER}"
    built = build(bench, [row(text, "a")], [example(1, first + second), example(2, other)])
    assert texts(built) == {"a": f"{FILLER}\n{FILLER}"}
    assert {hit["example"] for hit in built.table("hits", HITS)} == {f"{number:032x}" for number in (1, 2)}


WORDS = st.sampled_from(["a", "b", "c", "d", "é", "中", "文", "字", "𠀀", "A.", ". ", "。", "\n", ", ", "it's"])
TEXTS = st.lists(WORDS, min_size=1, max_size=60).map(" ".join) | st.lists(WORDS, min_size=1, max_size=60).map("".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(TEXTS, min_size=1, max_size=8, unique=True),
    st.lists(TEXTS, min_size=1, max_size=4),
    st.integers(2, 5),
    st.integers(1, 4),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.integers(1, 3),
)
def test_it_decides_as_plain_python_does_and_finds_nothing_the_second_time(
    bench: Bench, training: list[str], evaluation: list[str], length: int, least: int, share: float, limit: int
) -> None:
    rows = [row(text, f"{number:03}") for number, text in enumerate(training)] + [row("zz", "last")]
    chosen = {"ngram": length, "min_tokens": min(least, length), "max_share": share, "boilerplate_documents": limit}
    examples = [example(number, text, "y") for number, text in enumerate(evaluation)]
    held = [row("xx", "x")]
    built = build(bench, rows, examples, valid=held, test=held, **chosen)
    expected = decontaminate(
        {found["path"]: found["text"] for found in rows},
        [*evaluation, "xx"],
        ["y"],
        length=length,
        least=min(least, length),
        max_share=share,
        boilerplate=limit,
    )
    left = {found["path"]: expected.get(found["path"], found["text"]) for found in rows}
    assert texts(built) == {path: text for path, text in left.items() if text is not None}
    assert {hit["path"] for hit in built.table("hits", HITS)} == expected.keys()
    if not built.metrics["ngrams"]["boilerplate"]:
        again = build(bench, built.table("train", SHARDED), examples, valid=held, test=held, **chosen)
        assert again.table("train", SHARDED) == built.table("train", SHARDED)
        assert again.metrics["cut"] == again.metrics["dropped"] == 0


def installed_texts() -> list[str]:
    """What installed packages say of themselves: English, and OpenCC's Chinese paragraph by paragraph."""
    texts = [found.read_text("METADATA") or "" for found in metadata.distributions()]
    english = sorted(text for text in set(texts) if 2_000 < len(text) < 20_000)[:60]
    chinese = [part for text in texts for part in text.split("\n\n") if sum("一" <= one <= "鿿" for one in part) > 40]
    assert len(chinese) > 5
    return english + sorted(set(chinese)) + ["\n\n".join(sorted(set(chinese)))]


@pytest.mark.parametrize("limit", [2, 1000])
def test_it_decides_as_plain_python_does_on_what_packages_say_of_themselves(bench: Bench, limit: int) -> None:
    source = random.Random(8)
    training = installed_texts()
    questions = []
    for text in training[::3]:
        found = tokens(text)
        begin = source.randrange(max(1, len(found) - 40))
        end = min(len(found), begin + source.choice([9, 20, 40]))
        questions.append(text[found[begin].begin : found[end - 1].end])
    rows = [row(text, f"{number:03}") for number, text in enumerate(training)]
    examples = [example(number, text, "y") for number, text in enumerate(questions)]
    built = build(bench, rows, examples, boilerplate_documents=limit)
    held_out = [found["text"] for split in ("valid", "test") for found in built.table(split, SHARDED)]
    expected = decontaminate(
        {found["path"]: found["text"] for found in rows}, [*questions, *held_out], ["y"], boilerplate=limit
    )
    left = {found["path"]: expected.get(found["path"], found["text"]) for found in rows}
    assert texts(built) == {path: text for path, text in left.items() if text is not None}
    assert built.metrics["cut"] > 5 and built.metrics["dropped"] > 0


def corpus(source: random.Random, count: int) -> list[Row]:
    vocabulary = [f"w{number}" for number in range(3000)]
    return [
        row(". ".join(" ".join(source.choices(vocabulary, k=12)) for _ in range(20)), f"{number:04}")
        for number in range(count)
    ]


def planted(source: random.Random, rows: list[Row], questions: list[str], share: float) -> list[Row]:
    return [
        row(f"{found['text']}. {source.choice(questions)}", found["path"]) if source.random() < share else found
        for found in rows
    ]


def survivors(built: Built) -> list[tuple[str, str]]:
    return sorted(texts(built).items())


def hits_of(built: Built) -> list[str]:
    return sorted(json.dumps(hit, sort_keys=True) for hit in built.table("hits", HITS))


def test_neither_the_cut_into_shards_nor_the_order_in_them_matters(bench: Bench) -> None:
    source = random.Random(5)
    questions = [" ".join(source.choices([f"q{number}" for number in range(500)], k=15)) for _ in range(9)]
    rows = planted(source, corpus(source, 90), questions, 0.5)
    examples = [example(number, text) for number, text in enumerate(questions)]
    whole = build(bench, rows, examples, boilerplate_documents=4)
    source.shuffle(rows)
    cut = build(
        bench, {f"shard-{number}.parquet": rows[number::3] for number in range(3)}, examples, boilerplate_documents=4
    )
    assert whole.metrics["cut"] > 0 and whole.metrics["ngrams"]["boilerplate"] > 0
    assert survivors(cut) == survivors(whole)
    assert hits_of(cut) == hits_of(whole)


def test_new_questions_read_only_the_shards_that_they_hit(bench: Bench) -> None:
    source = random.Random(6)
    questions = [" ".join(source.choices([f"q{number}" for number in range(500)], k=15)) for _ in range(3)]
    shards = {f"shard-{number}.parquet": corpus(source, 10) for number in range(8)}
    shards["shard-2.parquet"] = planted(source, shards["shard-2.parquet"], questions[:1], 1)
    shards["shard-5.parquet"] = planted(source, shards["shard-5.parquet"], questions[1:2], 1)
    before = build(bench, shards, [example(1, questions[0])])
    assert before.metrics["shards"] == {"train": 8, "with_hits": 1, "read": 9}
    after = build(bench, shards, [example(number, questions[number - 1]) for number in (1, 2, 3)])
    assert after.metrics["shards"] == {"train": 8, "with_hits": 2, "read": 1}
    again = build(bench, shards, [example(number, questions[number - 1]) for number in (1, 2, 3)])
    assert again.metrics["shards"]["read"] == 0
    assert again.metrics["parts"]["reused"] == again.metrics["parts"]["total"]


def test_a_new_shard_is_the_only_one_read(bench: Bench) -> None:
    source = random.Random(7)
    shards = {f"shard-{number}.parquet": corpus(source, 10) for number in range(8)}
    build(bench, shards, [example(1, QUESTION)])
    after = build(bench, {**shards, "shard-9.parquet": [row(f"{FILLER} {QUESTION}", "new")]}, [example(1, QUESTION)])
    assert after.metrics["shards"]["read"] == 2, "once for its index, once to cut it"
    assert after.metrics["cut"] == 1


def evaluations(bench: Bench, path: Path, **more: object) -> DecontaminateConfig:
    return DecontaminateConfig(evaluations={"exam": {"path": path, **more}})


def run(bench: Bench, config: DecontaminateConfig) -> Built:
    rows = {"train": [row(f"{FILLER} {QUESTION}. {FILLER}", "a")], "valid": [row("v", "v")], "test": [row("t", "t")]}
    inputs = {name: table_input(bench.store, SHARDED, {"s.parquet": found}) for name, found in rows.items()}
    return bench.build(STAGE, config, inputs)


def test_files_that_the_settings_name_are_evaluation_sets(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    turns = [{"speaker": "narrator", "text": "Once."}, {"speaker": "a", "text": QUESTION.upper()}]
    path.write_text(json.dumps({"turns": turns, "name": "seven"}) + "\n")
    built = run(bench, evaluations(bench, path, fields=["turns"], id_field="name"))
    assert texts(built) == {"a": f"{FILLER} {FILLER}"}
    (hit,) = built.table("hits", HITS)
    assert (hit["evaluation"], hit["example"]) == ("evaluations.exam", "seven")


def test_broken_records_are_quarantined_up_to_a_limit(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text(f'{{"input": "{QUESTION}"}}\n{{"input": 3}}\nno JSON\n')
    with pytest.raises(BadInputError, match="2 of 3 records cannot be used") as caught:
        run(bench, evaluations(bench, path))
    assert caught.value.details[0] == "exam.jsonl:2: no_text (nothing in input)"
    assert caught.value.where == "decontaminate.evaluations.exam"
    built = run(bench, evaluations(bench, path, max_bad_fraction=0.7))
    assert built.metrics["cut"] == 1
    assert "2 of 3 records" in built.result.warnings[0]
    assert "quarantine.jsonl" in {kept.name for kept in built.result.diagnostics}


def test_an_evaluation_set_that_is_not_there_says_what_to_do(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there") as caught:
        run(bench, evaluations(bench, tmp_path / "none.jsonl"))
    assert caught.value.where == "decontaminate.evaluations.exam.path"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no records"):
        run(bench, evaluations(bench, tmp_path / "empty"))
    (tmp_path / "exam.jsonl").write_text("")
    with pytest.raises(BadInputError, match="empty"):
        run(bench, evaluations(bench, tmp_path / "exam.jsonl"))


def test_nothing_left_to_train_on_is_an_error(bench: Bench) -> None:
    with pytest.raises(StageFailed, match="every document"):
        build(bench, [row(QUESTION, "a")], [example(1, QUESTION)])
