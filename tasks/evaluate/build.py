"""Builds the scores of one model: reads its inputs, lets the model answer, and hands both to the metrics."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.config.evaluate import EvaluateConfig
from schemas.errors import Interrupted, StageFailed
from schemas.scores import Sample, Score
from schemas.tokens import LANGUAGES
from tasks.engine.stage import Context, InputOutput
from tasks.evaluate.choice import choose, keyed_hash
from tasks.evaluate.examples import Example, read_examples
from tasks.evaluate.results import headline, learned, write_samples, write_scores
from tasks.modeling.generation import GenerationSettings, generate
from tasks.modeling.models import load_decoder
from tasks.modeling.predict import load_classifier, predict
from tasks.modeling.prompts import PROMPT_OVERHEAD, prompt_ids
from tasks.tokens.encoding import Processor, encode_texts, load_processor
from tasks.tokens.token_set import TokenSet, open_split

Result = tuple[int, int, list[Score], list[Sample]]
"""Test rows, rows that were scored, the scores, and samples."""


def build_evaluate(context: Context) -> None:
    """Builds the output `scores`."""
    torch.set_num_threads(context.threads)
    config: EvaluateConfig = context.config
    forms: dict[str, Callable[[Context, EvaluateConfig], Result]] = {
        "language_modelling": _language_modelling,
        "generation": _generation,
        "classification": _classification,
    }
    rows, scored, scores, samples = forms[config.kind](context, config)
    write_scores(context.folder / "scores.json", scores)
    write_samples(context.folder / "samples.jsonl", samples)
    context.add("scores", "scores.json", context.folder / "scores.json", rows=len(scores))
    context.add_diagnostic("samples.jsonl", context.folder / "samples.jsonl")
    context.report(rows_in=rows, rows_out=scored, scores=headline(scores), learned=learned(scores))


def _language_modelling(context: Context, config: EvaluateConfig) -> Result:
    from tasks.evaluate.language_modelling import ScoredDocuments, language_model_scores, unigram_models
    from tasks.evaluate.likelihood import document_nats

    folder = context.inputs["model"].folder()
    model = load_decoder(folder).eval()
    vocabulary = int(model.config.vocab_size)
    train, test = _token_set("train", context.inputs["train"]), _token_set("test", context.inputs["test"])
    _refuse_empty(train.n_documents, test.n_documents)
    unigram, own_unigrams = unigram_models(
        map(train.document, range(train.n_documents)), _languages(train, range(train.n_documents)), vocabulary
    )
    identities = [_identity(test.document(number)) for number in range(test.n_documents)]
    chosen = choose(identities, _languages(test, range(test.n_documents)), config.max_examples, config.seed)
    documents = [test.document(number) for number in chosen]
    languages = _languages(test, chosen)
    nats = document_nats(
        model,
        documents,
        context=int(model.config.max_position_embeddings),
        batch_size=config.batch_size,
        on_batch=_watch(context, "windows"),
    )
    scored = ScoredDocuments(
        nats=nats,
        unigram_nats=np.array([unigram.nats(tokens[1:]) for tokens in documents]),
        own_unigram_nats=np.array(
            [
                own_unigrams.get(language, unigram).nats(tokens[1:])
                for tokens, language in zip(documents, languages, strict=True)
            ]
        ),
        tokens=np.array([len(tokens) - 1 for tokens in documents], dtype=np.int64),
        text_bytes=test.text_bytes[chosen],
        languages=languages,
    )
    scores = language_model_scores(scored, context.folder / "hf", config)
    samples = _continuations(model, folder, documents, languages, config)
    return test.n_documents, len(chosen), scores, samples


def _generation(context: Context, config: EvaluateConfig) -> Result:
    from tasks.evaluate.generation import GenerationMetrics, baseline_outputs, generation_scores

    folder = context.inputs["model"].folder()
    train, test, chosen = _examples(context, config)
    model = load_decoder(folder).eval()
    processor = load_processor(folder)
    positions = int(model.config.max_position_embeddings)
    room = max(1, positions - config.max_new_tokens - PROMPT_OVERHEAD)
    # As many tokens of an input as the model was fine-tuned to read.
    max_content = min(room, int(getattr(model.config, "max_content", room)))
    contents = encode_texts(processor, [example.input for example in chosen], context.threads)
    prompts = [prompt_ids(content, max_content) for content in contents]
    watch = _watch(context, "examples")
    settings = GenerationSettings(max_new_tokens=config.max_new_tokens, batch_size=config.batch_size)
    outputs = [""] * len(chosen)
    done = 0
    order = sorted(range(len(prompts)), key=lambda number: (len(prompts[number]), number))
    for numbers in _batched(order, config.batch_size):
        replies = generate(model, [prompts[number] for number in numbers], settings)
        for number, reply in zip(numbers, replies, strict=True):
            outputs[number] = processor.decode(reply).strip()
        done += len(numbers)
        watch(done, len(prompts))
    scores = generation_scores(
        chosen, outputs, baseline_outputs(train, chosen, config.seed), GenerationMetrics(context.folder / "hf"), config
    )
    return len(test), len(chosen), scores, _example_samples(chosen, outputs, config)


def _classification(context: Context, config: EvaluateConfig) -> Result:
    from tasks.evaluate.classification import classification_scores

    folder = context.inputs["model"].folder()
    train, test, chosen = _examples(context, config)
    classifier = load_classifier(folder)
    contents = encode_texts(load_processor(folder), [example.input for example in chosen], context.threads)
    watch = _watch(context, "examples")
    predictions = [""] * len(chosen)
    done = 0
    order = sorted(range(len(contents)), key=lambda number: (len(contents[number]), number))
    for numbers in _batched(order, config.batch_size):
        found = predict(classifier, [contents[number] for number in numbers], config.batch_size)
        for number, prediction in zip(numbers, found, strict=True):
            predictions[number] = prediction.label
        done += len(numbers)
        watch(done, len(contents))
    scores = classification_scores(
        [example.target for example in train], chosen, predictions, context.folder / "hf", config
    )
    return len(test), len(chosen), scores, _example_samples(chosen, predictions, config)


def _token_set(split: str, output: InputOutput) -> TokenSet:
    return open_split(split, {file.stored.name: file.path for file in output.files})


def _identity(tokens: NDArray[np.int64]) -> bytes:
    return hashlib.blake2b(tokens.tobytes(), digest_size=16).digest()


def _languages(tokens: TokenSet, numbers: Sequence[int]) -> list[str]:
    return [LANGUAGES[int(tokens.languages[number])] for number in numbers]


def _examples(context: Context, config: EvaluateConfig) -> tuple[list[Example], list[Example], list[Example]]:
    """Returns the training examples, the test examples, and those of them that are scored."""
    train = read_examples(file.path for file in context.inputs["train"].files)
    test = read_examples(file.path for file in context.inputs["test"].files)
    _refuse_empty(len(train), len(test))
    identities, languages = [example.id.encode() for example in test], [example.language for example in test]
    chosen = choose(identities, languages, config.max_examples, config.seed)
    return train, test, [test[row] for row in chosen]


def _refuse_empty(train: int, test: int) -> None:
    for name, rows in (("train", train), ("test", test)):
        if rows == 0:
            raise StageFailed(
                f"the {name} split is empty, so nothing can be scored",
                where=f"evaluate: input {name}",
                hint="give the pipeline more documents or examples, or a larger share of them to that split",
            )


def _watch(context: Context, unit: str) -> Callable[[int, int], None]:
    """Returns what is called after each batch: shows progress and stops when the run is to stop."""

    def watch(done: int, total: int) -> None:
        context.progress(done, total, unit)
        if context.stopping():
            raise Interrupted("stopped while scoring", hint="scoring starts anew with the next run; it is short")

    return watch


def _batched(order: Sequence[int], size: int) -> list[list[int]]:
    rows = iter(order)
    return list(iter(lambda: list(itertools.islice(rows, size)), []))


def _sampled(identities: Sequence[bytes], languages: Sequence[str], config: EvaluateConfig) -> list[int]:
    """Returns the positions of `config.samples` of each language, drawn by another key than the scored ones."""
    drawn = sorted(range(len(identities)), key=lambda row: keyed_hash(b"sample" + identities[row], config.seed))
    found: list[int] = []
    for language in sorted(set(languages)):
        found += [row for row in drawn if languages[row] == language][: config.samples]
    return found


def _example_samples(examples: Sequence[Example], outputs: Sequence[str], config: EvaluateConfig) -> list[Sample]:
    identities = [example.id.encode() for example in examples]
    languages = [example.language for example in examples]
    return [
        Sample(
            task=config.task,
            language=languages[row],
            prompt=examples[row].input,
            output=outputs[row],
            reference=examples[row].target,
        )
        for row in _sampled(identities, languages, config)
    ]


def _continuations(
    model: Any, folder: Path, documents: Sequence[NDArray[np.int64]], languages: Sequence[str], config: EvaluateConfig
) -> list[Sample]:
    """Lets the model go on from the first tokens of test documents that are long enough to have a continuation."""
    length = min(config.sample_tokens, int(model.config.max_position_embeddings) // 2)
    long = [number for number, tokens in enumerate(documents) if len(tokens) > 2 * length]
    identities = [_identity(documents[number]) for number in long]
    rows = [long[row] for row in _sampled(identities, [languages[number] for number in long], config)]
    if not rows:
        return []
    processor = load_processor(folder)
    texts = [documents[row].tolist() for row in rows]
    cuts = [whole_characters(processor, tokens, length) for tokens in texts]
    ends = [whole_characters(processor, tokens, 2 * length) for tokens in texts]
    prompts = [tokens[:cut] for tokens, cut in zip(texts, cuts, strict=True)]
    settings = GenerationSettings(max_new_tokens=length, batch_size=config.batch_size)
    replies = generate(model, prompts, settings)
    return [
        Sample(
            task=config.task,
            language=languages[row],
            prompt=processor.decode(prompt),
            output=processor.decode(reply),
            reference=processor.decode(tokens[cut:end]),
        )
        for row, prompt, reply, tokens, cut, end in zip(rows, prompts, replies, texts, cuts, ends, strict=True)
    ]


def whole_characters(processor: Processor, tokens: list[int], length: int) -> int:
    """Returns how many tokens, at most `length`, end with a character: a rare one is spelt in several, a byte each."""
    text = processor.decode(tokens)
    while not text.startswith(processor.decode(tokens[:length])):
        length -= 1
    return length
