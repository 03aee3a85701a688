"""How fast tokenizers are trained and texts are packed, beside SentencePiece alone, and whether `AutoTokenizer` agrees.

    python tests/benchmarks/bench_tokenizer.py CORPUS [--kind bpe] [--mib 32] [--rounds 5] [--every 1] [--json FILE]

CORPUS is a folder of Parquet files with the columns id, lang and content; its English and Chinese texts are used as
they are, markup included. Seconds are CPU seconds as the operating system counts them; the sides take turns, and the
ratio is that of the medians.

Training: on one side `train_on` (characters counted by language, lines cut, trained), on the other SentencePiece's
trainer on a file of the same lines with the same settings, and the one coverage that takes in as many characters.
Packing: on one side the part of `pack` that turns a Parquet shard into token files, on the other
`SentencePieceProcessor.encode` on the shard's texts, which are in memory already. Both with one thread.
Agreement: every `--every`-th distinct line of the corpus, ids against SentencePiece's and the decoding of both.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sentencepiece

from schemas.config.tokenizer import TokenizerConfig
from schemas.tables import SHARDED
from schemas.tokens import BOS, EOS, LANGUAGES, PAD, RESERVED_PIECES, UNK
from tasks.engine.inputs import StoredInputFile
from tasks.engine.stage import Part, StoredFile
from tasks.pack.encode import encode_shard
from tasks.store.store import Store
from tasks.tables.parquet import write_table
from tasks.tokenizer.build import train_on
from tasks.tokenizer.characters import count_characters, training_lines, uncovered_characters
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokenizer.sample import Reservoir, budgets
from tasks.tokens.encoding import MODEL_FILE, load_processor

LINES_AT_ONCE = 50_000


def main() -> None:
    """Prints the figures, and writes them as JSON with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--kind", choices=["bpe", "unigram"], default="bpe")
    parser.add_argument("--mib", type=float, default=32, help="text to train on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, help="of the lines compared with AutoTokenizer; 0 for none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = TokenizerConfig(kind=options.kind, sample_bytes=int(options.mib * 2**20))
    sample = {language: Reservoir(budget, 1) for language, budget in budgets(config.sample_bytes, _even()).items()}
    for identifier, language, text in documents(options.corpus):
        sample[language].offer(identifier, text)
    texts = {language: reservoir.texts() for language, reservoir in sample.items()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        figures: dict[str, Any] = {"kind": config.kind, "mib": options.mib}
        figures["training"], model = training(texts, config, folder, options.rounds)
        figures["packing"] = packing(texts, model, folder, options.rounds)
        if options.every:
            figures["agreement"] = agreement(options.corpus, model, config, folder, options.every)
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def training(
    texts: dict[str, list[str]], config: TokenizerConfig, folder: Path, rounds: int
) -> tuple[dict[str, float], bytes]:
    """Returns the figures of training, and our model."""
    counts = {language: count_characters(found) for language, found in texts.items()}
    uncovered = [ord(character) for character in uncovered_characters(counts, config.character_coverage.model_dump())]
    whole = sum(counts.values())
    coverage = 1 - whole[uncovered].sum() / whole.sum()
    lines = folder / "lines.txt"
    with lines.open("wb") as file:
        for line in training_lines(
            (text for found in texts.values() for text in found), (), config.max_sentence_length
        ):
            file.write(line + b"\n")

    def bare() -> None:
        sentencepiece.SentencePieceTrainer.train(
            input=str(lines),
            model_writer=io.BytesIO(),
            model_type=config.kind,
            vocab_size=config.vocab_size,
            character_coverage=coverage,
            byte_fallback=True,
            split_digits=True,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            control_symbols=list(RESERVED_PIECES[EOS + 1 :]),
            user_defined_symbols=["\n"],
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            max_sentence_length=config.max_sentence_length,
            input_sentence_size=0,
            shuffle_input_sentence=False,
            num_threads=1,
            minloglevel=2,
        )

    models: list[bytes] = []
    found = compared(lambda: models.append(train_on(texts, config).model), bare, rounds)
    return found, models[0]


def packing(texts: dict[str, list[str]], model: bytes, folder: Path, rounds: int) -> dict[str, float]:
    """Returns the figures of packing one shard of the sample."""
    rows = [(language, text) for language, found in texts.items() for text in found]
    shard, file = folder / "shard.parquet", folder / MODEL_FILE
    file.write_bytes(model)
    table = pa.Table.from_pylist([_row(language, text) for language, text in rows], schema=SHARDED)
    write_table(shard, table, SHARDED)
    del table
    store = Store.open(folder / "store")
    files = []
    for path in (shard, file):
        digest, size = store.objects.take(path)
        files.append(StoredInputFile(StoredFile(path.name, digest, size), str(store.root)))
    for stored in files:
        assert stored.path.is_file()  # digests are checked once, before the clock runs
    part = Part("shard", files, execution={"threads": 1})
    processor, inputs = load_processor(files[1].path), [text for _, text in rows]
    (folder / "packed").mkdir()
    return compared(
        lambda: encode_shard(part, folder / "packed"), lambda: processor.encode(inputs, num_threads=1), rounds
    )


def agreement(corpus: Path, model: bytes, config: TokenizerConfig, folder: Path, every: int) -> dict[str, int]:
    """Counts the lines on which `AutoTokenizer` gives other ids, another score or another decoding."""
    from transformers import AutoTokenizer

    place = folder / "tokenizer"
    place.mkdir()
    (place / MODEL_FILE).write_bytes(model)
    processor = load_processor(place)
    write_folder(place, model, processor, 1 << 30, config.kind)
    tokenizer = AutoTokenizer.from_pretrained(place)
    found = {"lines": 0, "other_ids": 0, "other_score": 0, "other_decoding": 0}
    for lines in distinct_lines(corpus, every):
        ours, theirs = processor.encode(lines, num_threads=1), tokenizer(lines)["input_ids"]
        found["lines"] += len(lines)
        decoded = zip(processor.decode(ours), tokenizer.batch_decode(theirs), strict=True)
        found["other_decoding"] += sum(one != other for one, other in decoded)
        for ids, other in zip(ours, theirs, strict=True):
            if ids != other:
                found["other_ids"] += 1
                found["other_score"] += sum(map(processor.get_score, ids)) != sum(map(processor.get_score, other))
    return found


def compared(ours: Callable[[], Any], bare: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Runs both sides in turns and returns the medians of their CPU seconds and the ratio."""
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(rounds + 1):
        for name, work in (("ours", ours), ("bare", bare)):
            before = _cpu()
            work()
            if number:  # the first round warms up
                seconds[name].append(_cpu() - before)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    return {**{name: round(value, 3) for name, value in medians.items()}, "ratio": medians["ours"] / medians["bare"]}


def documents(corpus: Path) -> Iterator[tuple[str, str, str]]:
    """Yields (id, language, text) of the English and Chinese documents."""
    for path in sorted(corpus.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(512, columns=["id", "lang", "content"]):
            for row in batch.to_pylist():
                if row["lang"] in LANGUAGES:
                    yield row["id"], row["lang"], row["content"]


def distinct_lines(corpus: Path, every: int) -> Iterator[list[str]]:
    """Yields every so manieth distinct line of all documents, in batches."""
    seen: set[int] = set()
    lines: list[str] = []
    for _, _, text in documents(corpus):
        for line in text.split("\n"):
            if line and hash(line) not in seen:
                seen.add(hash(line))
                if len(seen) % every == 0:
                    lines.append(line)
        if len(lines) >= LINES_AT_ONCE:
            yield lines
            lines = []
    yield lines


def _row(language: str, text: str) -> dict[str, Any]:
    identifier = sha256(text.encode()).hexdigest()[:32]
    return {**dict.fromkeys(SHARDED.names, "x"), "id": identifier, "offset": 0, "language": language, "text": text}


def _even() -> dict[str, float]:
    return dict.fromkeys(LANGUAGES, 1.0)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
