"""Our metrics give what the libraries they stand around give."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.metrics import BLEU
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from tasks.evaluate.metrics import MACRO, BitsPerByte, Bleu, Classification, Perplexity, Rouge, bleu_of
from tasks.evaluate.segmentation import is_chinese, lead, units

ENGLISH = ["Return the sorted list of names.", "Open a file for reading.", "Compute the mean of an array."]
OUTPUTS = ["Return the list of names.", "Open the file for reading and writing.", "The mean of the array."]
CHINESE = ["打开文件并读取内容", "返回排序后的名称列表", "计算数组的平均值"]
CHINESE_OUTPUTS = ["打开文件读取内容", "返回名称列表", "计算 array 的平均值"]


def in_memory(tmp_path: Path) -> dict[str, object]:
    return {"cache_dir": str(tmp_path), "keep_in_memory": True}


@pytest.mark.parametrize(
    ("tokenize", "outputs", "targets"), [("13a", OUTPUTS, ENGLISH), ("zh", CHINESE_OUTPUTS, CHINESE)]
)
def test_bleu_is_sacrebleus_and_follows_from_its_statistics(tmp_path, tokenize, outputs, targets):
    found = Bleu(**in_memory(tmp_path)).compute(predictions=outputs, references=targets, tokenize=tokenize)
    expected = BLEU(tokenize=tokenize).corpus_score(outputs, [targets]).score
    assert found["bleu"] == pytest.approx(expected)
    assert found["bleu"] > 1
    assert bleu_of(found["statistics"].sum(axis=0)) == pytest.approx(expected)
    assert f"tok:{tokenize}" in found["signature"]


def test_rouge_of_english_is_the_stock_rouge(tmp_path):
    found = Rouge(**in_memory(tmp_path)).compute(predictions=OUTPUTS, references=ENGLISH)
    stock = RougeScorer(["rougeL"])
    expected = np.mean([stock.score(a, b)["rougeL"].fmeasure for a, b in zip(ENGLISH, OUTPUTS, strict=True)])
    assert found["rougeL"] == pytest.approx(expected)


def test_rouge_counts_chinese_characters_that_the_stock_tokenizer_drops(tmp_path):
    found = Rouge(**in_memory(tmp_path)).compute(predictions=["打开文件"], references=["打开文本"])
    assert found["rouge1"] == pytest.approx(0.75)
    assert found["rouge2"] == pytest.approx(2 / 3)
    assert RougeScorer(["rouge1"]).score("打开文本", "打开文件")["rouge1"].fmeasure == 0


def test_perplexity_is_per_token_and_bits_are_per_byte_over_all_documents(tmp_path):
    nats = [np.log(8.0) * 3, np.log(2.0) * 3]
    found = Perplexity(**in_memory(tmp_path)).compute(predictions=nats, references=[3, 3])
    assert found["perplexity"] == pytest.approx(4)
    found = BitsPerByte(**in_memory(tmp_path)).compute(predictions=nats, references=[4, 20])
    assert found["bits_per_byte"] == pytest.approx((9 + 3) / 24)
    assert Perplexity(**in_memory(tmp_path)).compute(predictions=[1e6], references=[1])["perplexity"] == np.inf


def test_metrics_leave_no_file(tmp_path):
    Rouge(**in_memory(tmp_path)).compute(predictions=OUTPUTS, references=ENGLISH)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_units_of_ascii_text_are_the_stock_tokens(text):
    assert units(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


@given(st.text(alphabet="ab 中文，.你", max_size=30), st.integers(1, 8))
def test_a_lead_is_a_prefix_with_so_many_units(text, count):
    assert text.startswith(lead(text, count))
    assert units(lead(text, count)) == units(text)[:count]


def test_chinese_is_told_from_english_even_where_names_are_latin():
    assert is_chinese(CHINESE_OUTPUTS)
    assert is_chinese(["QSpinBox 的 maximum 值"])
    assert not is_chinese([*ENGLISH, "The word 中文 means Chinese, in so many words of English."])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_classification_is_scikit_learns(tmp_path_factory, pairs):
    predictions, references = [list(column) for column in zip(*pairs, strict=True)]
    metric = Classification(**in_memory(tmp_path_factory.mktemp("cache")))
    found = metric.compute(predictions=predictions, references=references)
    macro = precision_recall_fscore_support(references, predictions, average="macro", zero_division=0)[:3]
    expected = [accuracy_score(references, predictions), *macro]
    assert [found[name] for name in MACRO] == pytest.approx(expected)
    labels = sorted({*predictions, *references})
    each = precision_recall_fscore_support(references, predictions, labels=labels, zero_division=0)
    assert [found["classes"][label]["f1"] for label in labels] == pytest.approx(each[2])
    assert [found["classes"][label]["support"] for label in labels] == list(each[3])
