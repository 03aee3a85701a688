"""Settings of `decontaminate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]


class EvaluationConfig(Config):
    """An evaluation set that training must not see: records in files of your own."""

    path: Annotated[Path, EXECUTION]
    """A file of JSON lines (`.jsonl`, `.jsonl.gz`) or Parquet, or a folder of such; relative to the configuration."""

    format: Literal["auto", "jsonl", "parquet"] = "auto"
    """What the files hold; `auto` goes by the suffix."""

    fields: tuple[Annotated[str, Field(min_length=1)], ...] = ("input",)
    """Fields whose texts are looked for: a text, or a list or an object with texts inside, each taken by itself."""

    answers: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Fields that hold answers: looked for like the others, and never taken for boilerplate."""

    id_field: str | None = Field(default=None, min_length=1)
    """The field that names an example in the list of hits; else it is called by file and line."""

    max_bad_fraction: float = Field(default=0.05, ge=0, le=1)
    """The run stops (exit 4) when a larger share of the records cannot be used."""

    max_record_bytes: int = Field(default=16 * 2**20, ge=1)
    """Longer records are quarantined unread."""

    @model_validator(mode="after")
    def _something_is_looked_for(self) -> Self:
        if not self.fields and not self.answers:
            raise ValueError("name at least one field in `fields` or `answers`")
        return self


class DecontaminateConfig(Config):
    """What counts as contamination, and what is done about it.

    A token is a word (a run of letters and digits, in lower case) or one Chinese character, whatever the document's
    language. Training text is compared with the pipeline's own valid and test splits, with the valid and test splits of
    every labelled set that is used, and with `evaluations`.
    """

    ngram: int = Field(default=13, ge=2, le=64)
    """Tokens in a row that are no coincidence."""

    min_tokens: int = Field(default=8, ge=1, le=64)
    """Evaluation texts shorter than `ngram` are looked for whole, where they stand between line breaks or sentence ends
    of the training text; those of fewer than so many tokens (a label, a name) are not looked for."""

    max_share: float = Field(default=0.2, ge=0, le=1)
    """A document hit in a larger share of its tokens is dropped; from others the sentences hit are cut."""

    boilerplate_documents: int = Field(default=10, ge=1)
    """What stands in more training documents than this, and in no answer, is boilerplate (licences, templates) and
    stays.

    In 139 MB of documentation that nobody had deduplicated, against 1,600 descriptions taken from it: with 3, 1,535 of
    them were found, and 9,252 of 81,000 documents dropped on account of all sets; with 10, 1,545 and 14,329; with 100,
    1,551 and 21,994.
    """

    evaluations: dict[Name, EvaluationConfig] = Field(default_factory=dict)
    """Further evaluation sets by name."""

    row_group_rows: int = Field(default=4096, ge=1)
    """Set from `shard.row_group_rows`."""

    row_group_bytes: int = Field(default=32 * 2**20, ge=1)
    """Set from `shard.row_group_bytes`."""

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.min_tokens > self.ngram:
            raise ValueError(f"min_tokens ({self.min_tokens}) must not exceed ngram ({self.ngram})")
        return self
