"""Baselines, intervals and what counts as learned."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.evaluate import EvaluateConfig
from schemas.errors import StageFailed
from schemas.scores import Score
from tasks.evaluate.baselines import UnigramModel, majority, unrelated_outputs
from tasks.evaluate.choice import choose
from tasks.evaluate.classification import classification_scores
from tasks.evaluate.examples import Example
from tasks.evaluate.generation import GenerationMetrics, baseline_outputs, generation_scores
from tasks.evaluate.intervals import bootstrap
from tasks.evaluate.language_modelling import ScoredDocuments, language_model_scores, unigram_models
from tasks.evaluate.results import write_scores

CONFIG = EvaluateConfig(bootstrap_samples=200)


def test_languages_have_equal_shares_as_far_as_they_go():
    identities = [str(number).encode() for number in range(100)]
    languages = ["zh" if number % 10 == 0 else "en" for number in range(100)]
    for maximum, chinese in ((10, 5), (18, 9), (40, 10), (99, 10)):
        chosen = choose(identities, languages, maximum, seed=1)
        assert len(chosen) == maximum
        assert sum(languages[position] == "zh" for position in chosen) == chinese


def test_an_added_example_changes_the_choice_by_one_at_most():
    before = [f"document {number}".encode() for number in range(50)]
    after = [b"new", *before]
    chosen_before = {before[position] for position in choose(before, ["en"] * len(before), 10, seed=1)}
    chosen_after = {after[position] for position in choose(after, ["en"] * len(after), 10, seed=1)}
    assert len(chosen_before - chosen_after) <= 1
    assert choose(before, ["en"] * len(before), None, seed=1) == list(range(50))
    assert choose(before, ["en"] * len(before), 10, seed=1) != choose(before, ["en"] * len(before), 10, seed=2)


def test_an_interval_holds_the_mean_and_is_the_normal_one():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    [(low, high)] = bootstrap(lambda counts: [float(counts @ values) / 400], 400, samples=2000, seed=3)
    standard_error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.03)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=20))
def test_a_unigram_models_probabilities_sum_to_one(tokens):
    model = UnigramModel(np.bincount(np.array(tokens), minlength=8))
    assert sum(np.exp(-model.nats(np.array([token]))) for token in range(8)) == pytest.approx(1)


def scored(nats: list[float], languages: list[str]) -> ScoredDocuments:
    ones = np.ones(len(nats))
    return ScoredDocuments(
        nats=np.array(nats),
        unigram_nats=10 * ones,
        own_unigram_nats=9 * ones,
        tokens=np.full(len(nats), 4),
        text_bytes=np.full(len(nats), 10),
        languages=languages,
    )


def test_a_language_model_has_learned_at_85_percent_of_the_unigram_models_bits(tmp_path):
    at, above = scored([8.5, 8.5], ["en", "en"]), scored([8.6, 8.6], ["en", "en"])
    bits, perplexity = language_model_scores(at, tmp_path, CONFIG)
    assert (bits.metric, bits.learned) == ("bits_per_byte", True)
    assert language_model_scores(above, tmp_path, CONFIG)[0].learned is False
    assert bits.value == pytest.approx(8.5 / np.log(2) / 10)
    assert perplexity.value == pytest.approx(np.exp(8.5 / 4))
    assert bits.low == pytest.approx(bits.value)


def test_a_language_is_compared_with_the_unigram_model_of_its_own_tokens(tmp_path):
    scores = language_model_scores(scored([8.5, 2.0, 2.0], ["en", "zh", "zh"]), tmp_path, CONFIG)
    assert [(score.language, score.n) for score in scores[::2]] == [("all", 3), ("en", 1), ("zh", 2)]
    assert scores[2].baselines[0].value < scores[0].baselines[0].value


def test_unigram_models_do_not_count_the_first_token():
    both, own = unigram_models([np.array([2, 5, 3]), np.array([2, 6, 3])], ["en", "zh"], 8)
    assert both.nats(np.array([2])) == pytest.approx(np.log(8 + 4))
    assert own["en"].nats(np.array([6])) == pytest.approx(np.log(8 + 2))


def examples(labels: list[str]) -> list[Example]:
    return [Example(f"{n:03}", ("en", "zh")[n % 2], f"text {n}", label) for n, label in enumerate(labels)]


def test_classification_above_the_majority_class_beyond_its_interval_is_learned(tmp_path):
    test = examples(["a", "b", "c"] * 20)
    right = [example.target for example in test]
    scores = classification_scores(["a", "a", "b", "c"], test, right, tmp_path, CONFIG)
    accuracy = scores[0]
    assert (accuracy.metric, accuracy.value, accuracy.learned) == ("accuracy", 1.0, True)
    assert accuracy.baselines[0].value == pytest.approx(1 / 3)
    constant = classification_scores(["a", "a", "b", "c"], test, ["a"] * 60, tmp_path, CONFIG)
    assert constant[0].learned is False
    assert [score.metric for score in scores if score.metric.startswith("f1 of")] == ["f1 of a", "f1 of b", "f1 of c"]


def test_classes_may_be_named_like_metrics(tmp_path):
    test = examples(["accuracy", "lead"] * 10)
    scores = classification_scores(["lead"], test, ["lead"] * 20, tmp_path, CONFIG)
    assert scores[0].value == 0.5


def test_generations_are_scored_beside_lead_and_unrelated_targets(tmp_path):
    train = [
        Example("t1", "en", "a b c d e f g h", "a b c"),
        Example("t2", "zh", "一二三四五六七八九十百千", "一二三四五"),
    ]
    test = [
        Example("1", "en", "open the file now please or else", "open the file"),
        Example("2", "zh", "打开文件然后读取所有内容", "打开文件"),
    ]
    baselines = baseline_outputs(train, test, seed=1)
    assert baselines == {
        "lead-k (en 3, zh 5)": ["open the file", "打开文件然"],
        "unrelated target": ["a b c", "一二三四五"],
    }
    targets = [example.target for example in test]
    scores = generation_scores(test, targets, baselines, GenerationMetrics(tmp_path), CONFIG)
    of_all = {score.metric: score for score in scores if score.language == "all"}
    assert of_all["rougeL"].value == of_all["exact_match"].value == 1.0
    assert "tok:zh" in of_all["bleu"].signature
    assert "tok:13a" in next(s.signature for s in scores if s.metric == "bleu" and s.language == "en")
    assert of_all["rougeL"].baselines[0].value > of_all["rougeL"].baselines[1].value
    assert of_all["rougeL"].learned is None


def test_a_lead_in_one_language_is_named_after_its_length_whatever_the_language_of_training():
    train = [Example("t", "en", "a b c d e f g h", "a b")]
    assert "lead-2" in baseline_outputs(train, [Example("1", "en", "open the file", "open")], seed=1)
    assert baseline_outputs(train, [Example("1", "zh", "打开文件", "打开")], seed=1)["lead-2"] == ["打开"]


def test_copying_is_a_baseline_of_translation():
    train = [Example("t", "zh", "Open the file", "打开文件")]
    assert baseline_outputs(train, train, seed=1)["copy of the input"] == ["Open the file"]


def test_the_majority_is_the_first_of_equals_and_draws_do_not_depend_on_order():
    assert majority(["b", "a"]) == "a"
    train = [("en", "x"), ("en", "y"), ("en", "z")]
    drawn = dict(zip("123456", unrelated_outputs("123456", ["en"] * 6, train, 1), strict=True))
    assert dict(zip("654321", unrelated_outputs("654321", ["en"] * 6, train, 1), strict=True)) == drawn


def test_scores_are_rounded_and_a_diverged_model_is_an_error(tmp_path):
    score = Score(task="pretrain", metric="perplexity", language="all", value=1 / 3, n=1, better="lower")
    write_scores(tmp_path / "scores.json", [score])
    assert json.loads((tmp_path / "scores.json").read_text())[0]["value"] == 0.33333
    with pytest.raises(StageFailed, match="no usable probabilities"):
        write_scores(tmp_path / "scores.json", [score.model_copy(update={"value": float("nan")})])
