"""Texts in, texts or labels out: a model folder as the `generate` and `predict` commands use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoConfig

from schemas.errors import ConfigError, StageFailed
from schemas.tokens import BOS
from tasks.modeling.generation import GenerationSettings, generate
from tasks.modeling.models import is_classifier, load_decoder
from tasks.modeling.predict import load_classifier, predict
from tasks.modeling.prompts import PROMPT_OVERHEAD, prompt_ids
from tasks.tokens.encoding import encode_text, load_processor


def generate_texts(
    folder: Path, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, seed: int
) -> list[str]:
    """Lets a causal model write: a fine-tuned one answers, a pretrained one goes on from the text.

    Raises:
        ConfigError: The folder holds a classifier or no decoder, or a prompt leaves no room for an answer.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if is_classifier(config):
        raise ConfigError("this model is a classifier", where=str(folder), hint="use `nightmill predict`")
    model = load_decoder(folder)
    processor = load_processor(folder)
    contents = [encode_text(processor, prompt) for prompt in prompts]
    context = int(config.max_position_embeddings)
    answers = hasattr(config, "max_content")
    overhead = PROMPT_OVERHEAD if answers else 1
    for prompt, content in zip(prompts, contents, strict=True):
        if not answers and len(content) + overhead >= context:
            raise ConfigError(
                f"a prompt of {len(content)} tokens leaves no room in a context of {context}",
                where=repr(prompt[:40]),
                hint="shorten it",
            )
    rows = [
        prompt_ids(content, min(int(config.max_content), context - overhead - 1)) if answers else [BOS, *content]
        for content in contents
    ]
    room = context - max(len(row) for row in rows)
    settings = GenerationSettings(max_new_tokens=min(max_new_tokens, room), temperature=temperature, seed=seed)
    return [str(processor.decode(reply)) for reply in generate(model, rows, settings)]


def predict_labels(folder: Path, texts: Sequence[str]) -> list[tuple[str, float]]:
    """Returns the likeliest label of each text and its probability.

    Raises:
        ConfigError: The folder holds no classifier.
    """
    try:
        classifier = load_classifier(folder)
    except StageFailed as error:
        raise ConfigError(error.message, where=str(folder), hint="name a fine-tuning of kind classification") from None
    processor = load_processor(folder)
    found = predict(classifier, [encode_text(processor, text) for text in texts])
    return [(prediction.label, prediction.probabilities[prediction.label]) for prediction in found]
