"""What files hold, and how documents are read out of them: the same wherever the files come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config

FileFormat = Literal["text", "markdown", "rst", "html", "jsonl", "parquet"]
TextFormat = Literal["text", "markdown", "rst", "html"]


class Reading(Config):
    """How documents are read out of files."""

    format: Literal["auto"] | FileFormat = "auto"
    """What the files hold. `auto` goes by the suffix, and ignores files whose suffix it does not know."""

    text_field: str = Field("text", min_length=1)
    """The field (JSON lines) or column (Parquet) that holds a document's text."""

    record_format: TextFormat = "text"
    """The markup of texts in JSON lines and Parquet."""

    licence_field: str = "licence"
    """The field or column, if there is one, that holds a document's licence."""

    origin_field: str = "origin"
    """The field or column, if there is one, that holds where a document came from."""

    max_record_bytes: int = Field(16 * 1024**2, ge=1)
    """Longer documents and longer lines are quarantined unread."""
