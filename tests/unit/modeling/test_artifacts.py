"""What is published loads with transformers' Auto classes and has equal bytes for equal weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, GenerationConfig

from schemas.errors import StageFailed
from schemas.tokens import BOS, END, EOS
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.artifacts import model_card, save_model
from tasks.modeling.models import build_model, load_as_classifier, load_decoder
from tasks.modeling.predict import load_classifier, predict

SPEC = ModelSpec(vocabulary=60, hidden_size=16, layers=2, heads=2, kv_heads=1, intermediate_size=24, context_length=16)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("of the tokenizer")
    return folder


def _card(model: Any) -> str:
    return model_card("A model", model, {"steps": "3"}, "Some text.", "Load it.")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("tied", [True, False])
def test_a_decoder_loads_with_equal_weights(tmp_path: Path, tokenizer: Path, tied: bool) -> None:
    model = build_model(ModelSpec(60, 16, 1, 2, 1, 24, 16, tied_embeddings=tied), seed=0)
    save_model(model, tmp_path / "model", tokenizer, _card(model))
    loaded, told = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"]
    for (name, a), (other, b) in zip(model.named_parameters(), loaded.named_parameters(), strict=True):
        assert name == other and torch.equal(a, b)
    assert (loaded.config.bos_token_id, loaded.config.eos_token_id) == (BOS, EOS)
    assert GenerationConfig.from_pretrained(tmp_path / "model").eos_token_id == [EOS, END]


def test_a_folder_has_equal_bytes_wherever_it_is_written_and_says_not_where(tmp_path: Path, tokenizer: Path) -> None:
    folders = []
    for name in ("one", "other"):
        model = build_model(SPEC, seed=0)
        model.config.max_content = 9
        folder = tmp_path / name / "model"
        save_model(model, folder, tokenizer, _card(model))
        again = load_decoder(folder)  # a loaded model remembers its folder: it must not be told on
        save_model(again, tmp_path / name / "again", tokenizer, _card(again))
        folders += [folder, tmp_path / name / "again"]
    contents = [_bytes(folder) for folder in folders]
    assert all(content == contents[0] for content in contents)
    assert sorted(contents[0]) == [
        *("README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json")
    ]
    assert not any(str(tmp_path).encode() in data for data in contents[0].values())
    assert json.loads(contents[0]["config.json"])["max_content"] == 9
    assert b"not for giving away" in contents[0]["README.md"]


def test_a_classifier_keeps_the_decoders_weights_and_its_labels(tmp_path: Path, tokenizer: Path) -> None:
    decoder = build_model(SPEC, seed=0)
    save_model(decoder, tmp_path / "decoder", tokenizer, _card(decoder))
    classifier = load_as_classifier(tmp_path / "decoder", ["cat", "dog", "猫"], seed=1)
    assert torch.equal(classifier.model.embed_tokens.weight, decoder.model.embed_tokens.weight)
    save_model(classifier, tmp_path / "classifier", tokenizer, _card(classifier))
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "classifier")
    assert loaded.config.id2label == {0: "cat", 1: "dog", 2: "猫"}
    assert not (tmp_path / "classifier/generation_config.json").exists()


def test_predictions_are_those_of_the_rows_alone_and_come_in_order(tmp_path: Path, tokenizer: Path) -> None:
    decoder = build_model(SPEC, seed=0)
    save_model(decoder, tmp_path / "decoder", tokenizer, _card(decoder))
    model = load_as_classifier(tmp_path / "decoder", ["a", "b", "c"], seed=1)
    model.config.max_content = 5
    save_model(model, tmp_path / "classifier", tokenizer, _card(model))
    classifier = load_classifier(tmp_path / "classifier")
    assert classifier.max_content == 5
    contents = [[20], [21, 22, 23, 24, 25, 26, 27], [], [30, 31]]
    found = predict(classifier, contents, batch_size=3)
    for content, prediction in zip(contents, found, strict=True):
        with torch.no_grad():
            row = torch.tensor([[BOS, *content[:5], EOS]])
            expected = torch.softmax(model(input_ids=row).logits[0], dim=-1)
        assert list(prediction.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
        assert prediction.label == "abc"[int(expected.argmax())]


def test_what_is_no_model_or_no_classifier_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    with pytest.raises(StageFailed, match="no model"):
        load_decoder(tokenizer)
    decoder = build_model(SPEC, seed=0)
    save_model(decoder, tmp_path / "decoder", tokenizer, _card(decoder))
    with pytest.raises(StageFailed, match="no classifier"):
        load_classifier(tmp_path / "decoder")
    (tokenizer / "tokenizer.json").unlink()
    with pytest.raises(StageFailed, match=r"no tokenizer\.json"):
        save_model(decoder, tmp_path / "other", tokenizer, "")
