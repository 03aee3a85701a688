"""Builds the artifact of stage `tokenizer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.config.tokenizer import TokenizerConfig
from schemas.errors import Interrupted, StageFailed
from tasks.engine.stage import Context
from tasks.tables.parquet import iterate_tables
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokenizer.measure import measure
from tasks.tokenizer.sample import Reservoir, budgets, repeats, training_lines
from tasks.tokenizer.train import train_model
from tasks.tokens.encoding import MODEL_FILE, load_processor


def build_tokenizer(context: Context) -> None:
    """Samples, trains, writes the folder and reports how well it fits; see `tasks.tokenizer.stage`."""
    config: TokenizerConfig = context.config
    weights = config.language_weights.model_dump()
    sample = _sample(context, config, weights)
    found = {language: reservoir.bytes for language, reservoir in sample.items()}
    texts = {language: reservoir.texts() for language, reservoir in sample.items()}
    if not any(found.values()):
        raise StageFailed(
            "no text to train on", where="tokenizer", hint="`train` is empty, or its languages have weight 0"
        )

    times = repeats(found, weights)
    repeated = (text for language in sorted(texts) for _ in range(times[language]) for text in texts[language])
    model = train_model(training_lines(repeated, config.max_sentence_length), config)

    folder = context.folder / "tokenizer"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(model)
    processor = load_processor(folder)
    write_folder(folder, model, processor, config.model_max_length)
    context.add_folder("tokenizer", folder)

    fit = {language: measure(processor, texts[language], language) for language in sorted(texts)}
    report: dict[str, Any] = {
        "vocabulary": config.vocab_size,
        "sample_bytes": found,
        "repeats": times,
        "languages": fit,
    }
    path = context.folder / "report.json"
    path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    context.add_diagnostic("report.json", path)
    context.report(rows_in=sum(len(kept) for kept in texts.values()), **report)
    for language, kept in texts.items():
        if not kept:
            context.warn(f"no {language} text in the sample: the tokenizer will spell that language in bytes")


def _sample(context: Context, config: TokenizerConfig, weights: Mapping[str, float]) -> dict[str, Reservoir]:
    sample = {
        language: Reservoir(budget, config.seed) for language, budget in budgets(config.sample_bytes, weights).items()
    }
    files = context.inputs["train"].files
    for done, file in enumerate(files):
        for table in iterate_tables(file.path, ["id", "language", "text"]):
            if context.stopping():
                raise Interrupted("stopped while sampling text for the tokenizer")
            for row in table.to_pylist():
                if row["language"] in sample:
                    sample[row["language"]].offer(row["id"], row["text"])
        context.progress(done + 1, len(files), "shards")
    return sample
