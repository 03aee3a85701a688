"""The documents of a benchmark corpus, as `collect` would leave them and as plain text."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from schemas.config.clean import CleanConfig, PersonalConfig
from tasks.text.preparation import prepare

FORMATS = {"html": "html", "md": "markdown", "rst": "rst"}
NO_KINDS = {"email": False, "phone": False, "ip": False, "card": False, "iban": False, "resident_id": False}


def collected(corpus: pl.DataFrame, source: str = "corpus") -> pl.DataFrame:
    """Returns rows of a corpus (id, format, content) with the columns of COLLECTED."""
    return corpus.select(
        pl.col("id"),
        source=pl.lit(source),
        path=pl.col("id"),
        offset=pl.lit(0, dtype=pl.Int64),
        licence=pl.lit(""),
        origin=pl.lit(""),
        first_seen=pl.lit(""),
        date=pl.lit(""),
        format=pl.col("format").replace_strict(FORMATS, default="text"),
        text=pl.col("content"),
    )


def plain(corpus: pl.DataFrame, source: str = "corpus") -> pl.DataFrame:
    """Returns the same with markup taken off and characters made uniform, personal data as it stands."""
    config = CleanConfig(personal=PersonalConfig.model_validate(NO_KINDS))
    documents = collected(corpus, source)
    texts = prepare(documents["text"], documents["format"], config.html, config.unicode, config.personal).texts
    return documents.with_columns(texts.alias("text"), format=pl.lit("text"))


def files(folder: Path, rows: int | None = None) -> dict[str, pl.DataFrame]:
    """Returns the tables of a corpus by name, or samples of so many rows."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pl.read_parquet(path)
        found[path.stem] = table if rows is None else table.sample(min(rows, table.height), seed=1)
    return found
