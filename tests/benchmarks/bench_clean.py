"""How fast `clean` is, step by step, and what it drops: `python tests/benchmarks/bench_clean.py CORPUS`.

CORPUS is a folder of Parquet files with the columns id, format, lang and content. CPU seconds, so that a busy machine
changes little; the first document pays for nothing: tables and models are loaded before the clock starts.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl

from schemas.config.clean import CleanConfig
from tasks.clean.counts import count
from tasks.clean.language import english_confidence, languages
from tasks.clean.part import judge
from tasks.text.characters import normalise
from tasks.text.markup import html_to_text

T = TypeVar("T")
FORMATS = {"html": "html", "md": "markdown", "rst": "rst"}


def main() -> None:
    """Prints documents per CPU second, agreement with the labels, and drops by reason, per file of the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--files", nargs="*", default=["descriptions", "office_help", "poetry"])
    parser.add_argument("--rows", type=int, default=4000, help="documents sampled per file")
    parser.add_argument("--show", type=int, default=0, help="dropped documents to show per file")
    arguments = parser.parse_args()
    judge(_documents(pl.DataFrame({"id": ["0"], "format": ["html"], "content": ["<p>warm</p>"]})), CleanConfig())
    english_confidence(["warm"])
    for name in arguments.files:
        corpus = pl.read_parquet(arguments.corpus / f"{name}.parquet")
        _measure(name, corpus.sample(min(arguments.rows, corpus.height), seed=1), arguments.show)


def _measure(name: str, corpus: pl.DataFrame, show: int) -> None:
    config = CleanConfig()
    documents = _documents(corpus)
    size = documents["text"].str.len_bytes().sum() / 1e6
    print(f"\n{name}: {documents.height} documents, {size:.1f} MB")

    def timed(step: str, work: Callable[[], T], rows: int) -> T:
        start = time.process_time()
        result = work()
        seconds = time.process_time() - start
        print(f"  {step:<12}{seconds:8.2f} CPU s {rows / max(seconds, 1e-9):10.0f} documents/s")
        return result

    pages = documents.filter(pl.col("format") == "html")["text"].to_list()
    texts = documents["text"]
    if pages:
        extracted = timed("html", lambda: [html_to_text(page, config.html) for page in pages], len(pages))
        texts = texts.clone().scatter((documents["format"] == "html").arg_true(), extracted)
    texts = timed("characters", lambda: normalise(texts, config.unicode), len(texts))["text"]
    counts = timed("counts", lambda: count(texts), len(texts))
    timed("language", lambda: languages(texts, counts, config.language), len(texts))
    judged = timed("all", lambda: judge(documents, config), len(texts))

    found = judged["language"].replace("", "other").to_list()
    print("  label → found:", dict(sorted(Counter(zip(corpus["lang"], found, strict=True)).items())))
    print("  dropped:", dict(judged["reason"].drop_nulls().value_counts(sort=True).iter_rows()))
    for row in judged.filter(pl.col("reason").is_not_null()).head(show).iter_rows(named=True):
        print(f"    {row['reason']:<20}{row['text'][:150]!r}")


def _documents(corpus: pl.DataFrame) -> pl.DataFrame:
    return corpus.select(
        pl.col("id"),
        source=pl.lit("corpus"),
        path=pl.col("id"),
        offset=pl.lit(0, dtype=pl.Int64),
        licence=pl.lit(""),
        origin=pl.lit(""),
        first_seen=pl.lit(""),
        format=pl.col("format").replace_strict(FORMATS, default="text"),
        text=pl.col("content"),
    )


if __name__ == "__main__":
    main()
