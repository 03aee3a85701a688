"""`AutoTokenizer` gives SentencePiece's ids on every line of the quickstart's corpus."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from deployments.quickstart.environment import Environment
from deployments.quickstart.harvest import TARGET, WHEELS, harvest
from deployments.quickstart.layout import is_mostly_chinese
from schemas.config.tokenizer import TokenizerConfig
from tasks.tokenizer.build import train_on
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokens.encoding import MODEL_FILE, load_processor

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every document of the corpus: as `make run` left it, or harvested from what is installed here."""
    corpus = ROOT / TARGET
    if not corpus.is_dir():
        corpus = tmp_path_factory.mktemp("quickstart") / "corpus"
        harvest(corpus, Environment.current(ROOT / WHEELS), minimum={"en": 0, "zh": 0})
    return [text for path in sorted(corpus.rglob("*")) if path.is_file() for text in documents(path)]


def documents(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return [str(text) for text in pq.read_table(path)["text"].to_pylist()]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode(errors="replace")
    if ".jsonl" in path.name and path.parent.name != "tasks":
        rows = [json.loads(line) for line in text.split("\n") if line]
        return [row["text"] for row in rows if "text" in row]
    return [text]


@pytest.mark.parametrize(("kind", "sample_bytes", "every"), [("bpe", 4 << 20, 1), ("unigram", 1 << 20, 10)])
def test_auto_tokenizer_gives_the_ids_of_sentencepiece_on_every_line(
    texts: list[str], tmp_path: Path, kind: Literal["bpe", "unigram"], sample_bytes: int, every: int
) -> None:
    lines = sorted({line for text in texts for line in text.split("\n")})[::every]
    assert len(lines) > 100_000 // every
    chinese = [text for text in texts if is_mostly_chinese(text)][:300]
    config = TokenizerConfig(kind=kind, vocab_size=4096)
    model = train_on({"en": lines[:: len("".join(lines)) // sample_bytes + 1], "zh": chinese}, config).model
    (tmp_path / MODEL_FILE).write_bytes(model)
    processor = load_processor(tmp_path)
    write_folder(tmp_path, model, processor, config.model_max_length, kind)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, model_max_length=1 << 30)
    expected, found = processor.encode(lines, num_threads=1), tokenizer(lines)["input_ids"]
    assert [line for line, ids, other in zip(lines, expected, found, strict=True) if ids != other] == []
    assert tokenizer.batch_decode(found[::50]) == [processor.decode(ids) for ids in expected[::50]]
