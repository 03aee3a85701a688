"""Builds the artifact of stage `tokenizer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.config.tokenizer import TokenizerConfig
from schemas.errors import Interrupted, StageFailed
from tasks.engine.stage import Context
from tasks.tables.parquet import iterate_tables
from tasks.tokenizer.characters import count_characters, training_lines, uncovered_characters, utf8_bytes
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokenizer.measure import MEASURED_BYTES, measure
from tasks.tokenizer.reuse import FIT_FILE, Fit, Known, hold_if_outgrown, known_tokenizer, write_fit
from tasks.tokenizer.sample import Reservoir, budgets, repeats
from tasks.tokenizer.train import train_model
from tasks.tokens.encoding import MODEL_FILE, Processor, load_processor

Texts = Mapping[str, list[str]]
"""The sample of each language."""


def build_tokenizer(context: Context) -> None:
    """Samples, trains or takes over, and reports how well it fits; see `tasks.tokenizer.stage`.

    Raises:
        StageFailed: There is no text, or it does not fit the settings.
        Held: A tokenizer to be taken over fits the text no longer.
        Interrupted: The run is to stop.
    """
    known = known_tokenizer(context)
    texts = _sample(context, only_measured=known is not None)
    if not any(texts.values()):
        raise StageFailed(
            "no text to train on", where="tokenizer", hint="`train` is empty, or its languages have weight 0"
        )
    if known is None:
        processor, figures = _train(context, texts)
    else:
        processor, figures = _take_over(context, known, texts)
    report = {"vocabulary": processor.get_piece_size(), **figures}
    path = context.folder / "report.json"
    path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    context.add_diagnostic("report.json", path)
    context.report(rows_in=sum(map(len, texts.values())), **report)
    for language, kept in texts.items():
        if not kept:
            context.warn(f"no {language} text in the sample: the tokenizer will spell that language in bytes")


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave.

    Attributes:
        model: The SentencePiece model.
        sample_bytes: Bytes of each language's sample in UTF-8.
        repeats: How often each was read.
    """

    model: bytes
    sample_bytes: dict[str, int]
    repeats: dict[str, int]


def train_on(texts: Texts, config: TokenizerConfig) -> Trained:
    """Trains on a sample, whatever it was taken from.

    Args:
        texts: The sample of each language.
        config: How to train.

    Raises:
        StageFailed: The text does not fit the settings.
    """
    counts = {language: count_characters(kept) for language, kept in texts.items()}
    uncovered = uncovered_characters(counts, config.character_coverage.model_dump())
    sizes = {language: utf8_bytes(counted) for language, counted in counts.items()}
    times = repeats(sizes, config.language_weights.model_dump())
    repeated = (text for language in sorted(texts) for _ in range(times[language]) for text in texts[language])
    model = train_model(training_lines(repeated, uncovered, config.max_sentence_length), config)
    return Trained(model, sizes, times)


def _train(context: Context, texts: Texts) -> tuple[Processor, dict[str, Any]]:
    config: TokenizerConfig = context.config
    trained = train_on(texts, config)
    folder = context.folder / "tokenizer"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(trained.model)
    processor = load_processor(folder)
    write_folder(folder, trained.model, processor, config.model_max_length, config.kind)
    fit = _fit(processor, texts)
    write_fit(folder / FIT_FILE, config.training(), fit)
    context.add_folder("tokenizer", folder)
    return processor, {
        "kind": config.kind,
        "reused": False,
        "sample_bytes": trained.sample_bytes,
        "repeats": trained.repeats,
        "languages": fit,
    }


def _take_over(context: Context, known: Known, texts: Texts) -> tuple[Processor, dict[str, Any]]:
    processor = load_processor(known.model)
    fit = _fit(processor, texts)
    hold_if_outgrown(fit, known, context.config.reuse)
    for file in known.files:
        context.add("tokenizer", file.stored.name, file.stored)
    return processor, {
        "kind": known.settings["kind"],
        "reused": True,
        "languages": fit,
        "when_trained": known.languages,
    }


def _fit(processor: Processor, texts: Texts) -> dict[str, Fit]:
    return {language: measure(processor, texts[language], language) for language in sorted(texts)}


def _sample(context: Context, *, only_measured: bool) -> Texts:
    """Reads `train` once and keeps a sample of each language; a small one of text that is measured only."""
    config: TokenizerConfig = context.config
    shares = budgets(config.sample_bytes, config.language_weights.model_dump())
    if only_measured:
        shares = dict.fromkeys(shares, MEASURED_BYTES)
    sample = {language: Reservoir(budget, config.seed) for language, budget in shares.items()}
    files = context.inputs["train"].files
    for done, file in enumerate(files):
        for table in iterate_tables(file.path, ["id", "language", "text"]):
            if context.stopping():
                raise Interrupted("stopped while sampling text for the tokenizer")
            for row in table.to_pylist():
                if row["language"] in sample:
                    sample[row["language"]].offer(row["id"], row["text"])
        context.progress(done + 1, len(files), "shards")
    return {language: reservoir.texts() for language, reservoir in sample.items()}
