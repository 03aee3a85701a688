"""Fine-tuning as a stage, in both kinds: what is learnt, published, resumed and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trained_models import train_stage, write_decoder, write_examples, write_tokenizer

from schemas.config.finetune import FinetuneConfig
from schemas.errors import ConfigError, Interrupted, StageFailed
from tasks.finetune.stage import STAGE
from tasks.modeling.generation import GenerationSettings, generate
from tasks.modeling.models import load_decoder
from tasks.modeling.predict import load_classifier, predict
from tasks.modeling.prompts import prompt_ids
from tasks.tokens.encoding import encode_text, load_processor

GENERATION = FinetuneConfig(
    kind="generation",
    examples="echo",
    steps=60,
    batch_size=8,
    micro_batch_size=4,
    max_input_tokens=20,
    max_target_tokens=12,
    learning_rate=0.02,
    dropout=0.0,
    precision="fp32",
    checkpoint_every=10,
)
CLASSIFICATION = GENERATION.model_copy(update={"kind": "classification", "examples": "kinds", "steps": 30})

CAPITALS = [("France", "Paris"), ("China", "北京"), ("Italy", "Rome"), ("Japan", "东京")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    tokenizer = write_tokenizer(root / "tokenizer")
    texts = [(f"The capital of {country}", capital) for country, capital in CAPITALS] * 5
    kinds = [(f"{word} {number}", kind) for number in range(12) for word, kind in (("file", "os"), ("mean", "maths"))]
    return {
        "model": write_decoder(root / "model", tokenizer),
        "texts": write_examples(root / "texts", texts),
        "kinds": write_examples(root / "kinds", kinds),
    }


def _build(folder: Path, config: FinetuneConfig, inputs: dict[str, Path], name: str, **settings: Any) -> Any:
    read = {"model": inputs["model"], "train": inputs[name], "valid": inputs[name]}
    return train_stage(folder, STAGE, config, read, **settings)


def _folder(content: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, data in content.items():
        (folder / name.removeprefix("model/")).write_bytes(data)
    return folder


def test_a_generator_learns_replies_to_the_prompts_that_are_asked_later(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    content, context = _build(tmp_path, GENERATION, inputs, "texts")
    folder = _folder(content, tmp_path / "model")
    model, processor = load_decoder(folder), load_processor(folder)
    contents = [encode_text(processor, f"The capital of {country}") for country, _ in CAPITALS]
    prompts = [prompt_ids(ids, model.config.max_content) for ids in contents]
    replies = generate(model, prompts, GenerationSettings(max_new_tokens=12))
    assert [processor.decode(reply).strip() for reply in replies] == [capital for _, capital in CAPITALS]
    metrics = context.result.metrics
    assert metrics["rows_in"] == 20 and metrics["valid_examples"] == 20 and metrics["valid_loss"] < 0.2


def test_a_classifier_learns_labels(inputs: dict[str, Path], tmp_path: Path) -> None:
    content, context = _build(tmp_path, CLASSIFICATION, inputs, "kinds")
    classifier = load_classifier(_folder(content, tmp_path / "model"))
    processor = load_processor(tmp_path / "model")
    assert classifier.labels == ["maths", "os"] and classifier.max_content == 20
    found = predict(classifier, [encode_text(processor, text) for text in ("file 7", "mean 3")])
    assert [prediction.label for prediction in found] == ["os", "maths"]
    assert context.result.metrics["valid_accuracy"] == 1.0 and context.result.metrics["labels"] == 2


@pytest.mark.parametrize(("config", "name"), [(GENERATION, "texts"), (CLASSIFICATION, "kinds")])
def test_stopped_and_built_again_it_publishes_the_same_bytes(
    inputs: dict[str, Path], tmp_path: Path, config: FinetuneConfig, name: str
) -> None:
    config = config.model_copy(update={"steps": 8, "dropout": 0.2, "checkpoint_every": 2})
    whole, _ = _build(tmp_path / "whole", config, inputs, name)
    answers = iter([False] * 7 + [True] * 9)
    with pytest.raises(Interrupted):
        _build(tmp_path / "stopped", config, inputs, name, stopping=lambda: next(answers))
    content, context = _build(tmp_path / "stopped", config, inputs, name)
    assert context.result.resumed == "step 3"
    assert content == whole


@pytest.mark.parametrize(
    ("config", "name", "changes", "error", "message"),
    [
        (GENERATION, "texts", {"max_input_tokens": 60}, ConfigError, "do not fit into the model's context of 64"),
        (CLASSIFICATION, "kinds", {"max_input_tokens": 63}, ConfigError, "do not fit into the model's context of 64"),
        (CLASSIFICATION, "texts", {"max_labels": 3}, StageFailed, "4 different labels; 2 to 3"),
        (GENERATION, "texts", {"batch_size": 21}, StageFailed, "20 training examples do not fill one batch of 21"),
    ],
)
def test_what_cannot_be_learnt_is_a_clear_error(
    inputs: dict[str, Path],
    tmp_path: Path,
    config: FinetuneConfig,
    name: str,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        _build(tmp_path, config.model_copy(update=changes), inputs, name)


def test_validation_labels_that_training_has_not_are_left_out_with_a_warning(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    valid = write_examples(tmp_path / "valid", [("file 1", "os"), ("a poem", "verse")])
    read = {"model": inputs["model"], "train": inputs["kinds"], "valid": valid}
    _, context = train_stage(tmp_path, STAGE, CLASSIFICATION.model_copy(update={"steps": 1}), read)
    assert context.result.metrics["valid_examples"] == 1
    assert "1 validation examples" in context.result.warnings[0]
