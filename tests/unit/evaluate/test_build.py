"""The stage end to end, with a small tokenizer and untrained models, in all three forms."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from schemas.config.evaluate import EvaluateConfig
from schemas.config.tokenizer import TokenizerConfig
from schemas.errors import Interrupted, StageFailed
from schemas.manifest import FileRecord
from schemas.tables import EXAMPLES
from schemas.tokens import BOS
from tasks.engine.context import BuildContext
from tasks.engine.spec import BuildSpec, InputSpec
from tasks.evaluate.build import whole_characters
from tasks.evaluate.stage import STAGE
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.artifacts import save_model
from tasks.modeling.models import build_model, load_as_classifier
from tasks.store.store import Store
from tasks.tables.parquet import write_table
from tasks.tokenizer.train import train_model
from tasks.tokens.encoding import MODEL_FILE, encode_text, load_processor
from tasks.tokens.files import TokenWriter

TEXTS = [
    ("en", "Return the names of every open file in the order in which they were opened."),
    ("en", "The mean of an array is the sum of its values divided by their number."),
    ("zh", "返回所有打开的文件的名称，按照打开的顺序排列。"),
    ("zh", "数组的平均值等于所有数值之和除以数值的个数。"),
] * 6


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """Folders of a model, a classifier, token files and example tables."""
    root = tmp_path_factory.mktemp("inputs")
    tokenizer = root / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / MODEL_FILE).write_bytes(train_model([text for _, text in TEXTS], TokenizerConfig(vocab_size=512)))
    (tokenizer / "tokenizer.json").write_text("{}")
    processor = load_processor(tokenizer)
    torch.set_num_threads(1)
    decoder = build_model(ModelSpec(processor.get_piece_size(), 32, 1, 2, 2, 48, 32), seed=1)
    save_model(decoder, root / "decoder", tokenizer, "# A model")
    save_model(load_as_classifier(root / "decoder", ["a", "b"], seed=1), root / "classifier", tokenizer, "# A model")
    for split in ("train", "test"):
        folder = root / "tokens" / split
        folder.mkdir(parents=True)
        with TokenWriter(folder / "shard-0.bin", folder / "shard-0.idx", processor.get_piece_size()) as writer:
            for language, text in TEXTS:
                writer.write(np.array(encode_text(processor, text), np.int32), language, len(text.encode()))
        rows = [
            {"id": f"{n:04}", "language": language, "input": text, "target": "ab"[n % 2]}
            for n, (language, text) in enumerate(TEXTS)
        ]
        folder = root / "examples" / split
        folder.mkdir(parents=True)
        write_table(folder / "examples.parquet", pa.Table.from_pylist(rows, schema=EXAMPLES), EXAMPLES)
    return {
        "decoder": root / "decoder",
        "classifier": root / "classifier",
        "tokens": root / "tokens",
        "examples": root / "examples",
    }


def build(tmp_path: Path, config: EvaluateConfig, folders: dict[str, Path], stopping: bool = False) -> BuildContext:
    store = Store.open(tmp_path / "store")
    specs = {}
    for name, folder in folders.items():
        records = []
        for path in sorted(folder.iterdir()):
            copy = tmp_path / "copy"
            copy.unlink(missing_ok=True)  # the store links to what it takes
            copy.write_bytes(path.read_bytes())
            digest, size = store.objects.take(copy)
            records.append(FileRecord(name=path.name, digest=digest, size=size))
        specs[name] = InputSpec(files=records, folder=str(folder))
    spec = BuildSpec(
        node="evaluate.x",
        stage="evaluate",
        settings=config.model_dump(),
        inputs=specs,
        date="2026-11-22",
        code="",
        store=str(tmp_path / "store"),
        folder=str(tmp_path / "work"),
        threads=1,
        workers=1,
    )
    context = BuildContext(spec, STAGE, store, tell=lambda event: None, stopping=lambda: stopping)
    STAGE.build(context)
    return context


def read(tmp_path: Path, context: BuildContext) -> tuple[list[dict], list[dict]]:
    store = Store.open(tmp_path / "store")
    [scores] = context.result.outputs["scores"]
    [samples] = context.result.diagnostics
    return (
        json.loads(store.verified_path(scores).read_text()),
        [json.loads(line) for line in store.verified_path(samples).read_text().splitlines()],
    )


def test_a_language_model_is_scored_per_language(tmp_path, inputs):
    config = EvaluateConfig(bootstrap_samples=50, sample_tokens=6, samples=1)
    folders = {"model": inputs["decoder"]} | {split: inputs["tokens"] / split for split in ("train", "test")}
    context = build(tmp_path, config, folders)
    scores, samples = read(tmp_path, context)
    assert [(score["metric"], score["language"], score["n"]) for score in scores[::2]] == [
        ("bits_per_byte", "all", 24),
        ("bits_per_byte", "en", 12),
        ("bits_per_byte", "zh", 12),
    ]
    assert scores[0]["value"] > scores[0]["baselines"][0]["value"]
    assert scores[0]["learned"] is False
    assert context.result.metrics["rows_in"] == context.result.metrics["rows_out"] == 24
    assert context.result.metrics["learned"] is False
    assert [sample["language"] for sample in samples] == ["en", "zh"]
    assert any(text.startswith(samples[0]["prompt"] + samples[0]["reference"][:5]) for _, text in TEXTS)


def test_a_sample_is_cut_between_characters(inputs):
    processor = load_processor(inputs["decoder"])
    tokens = [BOS, *encode_text(processor, "the 鑫 file 😀")]
    cuts = [whole_characters(processor, tokens, length) for length in range(1, len(tokens) + 1)]
    assert all("\ufffd" not in processor.decode(tokens[:cut]) for cut in cuts)
    assert cuts[-1] == len(tokens) > len(set(cuts))
    assert cuts == sorted(cuts)


def test_generations_and_labels_are_scored_on_a_choice_of_examples(tmp_path, inputs):
    for kind, model in (("generation", "decoder"), ("classification", "classifier")):
        config = EvaluateConfig(
            kind=kind, task="try", max_examples=10, bootstrap_samples=50, max_new_tokens=4, samples=2
        )
        folders = {"model": inputs[model]} | {split: inputs["examples"] / split for split in ("train", "test")}
        (tmp_path / kind).mkdir()
        context = build(tmp_path / kind, config, folders)
        scores, samples = read(tmp_path / kind, context)
        assert {score["task"] for score in scores} == {"try"}
        assert scores[0]["n"] == context.result.metrics["rows_out"] == 10
        assert context.result.metrics["rows_in"] == 24
        assert 2 <= len(samples) <= 4
        again = build(tmp_path / kind, config, folders)
        assert again.result.outputs == context.result.outputs


def test_an_empty_split_is_an_error_that_names_it(tmp_path, inputs):
    (tmp_path / "empty").mkdir()
    folders = {"model": inputs["decoder"], "train": inputs["examples"] / "train", "test": tmp_path / "empty"}
    with pytest.raises(StageFailed, match="test split is empty"):
        build(tmp_path, EvaluateConfig(kind="generation"), folders)


def test_a_run_that_is_to_stop_stops_scoring(tmp_path, inputs):
    folders = {"model": inputs["decoder"]} | {split: inputs["tokens"] / split for split in ("train", "test")}
    with pytest.raises(Interrupted):
        build(tmp_path, EvaluateConfig(), folders, stopping=True)
