"""Where documents come from. Each kind of source is one model with its own `type`.

One kind exists: files in a folder. A further kind becomes a second model, and `Source` a union of them told apart by
`type` (with a discriminator function that takes a missing `type` for `files`, so that older configurations stand).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator

from schemas.config.base import EXECUTION
from schemas.config.formats import Reading

SourceName = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=64)]
"""Letters of any script, digits, `_`, `-` and `.`; part of every document's locator."""


class FilesSource(Reading):
    """Documents in a folder: one in a file (text, Markdown, reStructuredText, HTML) or many (JSON lines, Parquet).

    Every file but Parquet may be compressed with gzip (`.gz`).
    """

    type: Literal["files"] = "files"
    """The kind of source."""

    path: Annotated[Path, EXECUTION]
    """A folder, or one file; relative to the configuration file. Where it lies never counts, only what is in it."""

    glob: str = Field("**/*", min_length=1)
    """Which files below the folder, such as `docs/**/*.md`. Hidden files and folders are always left out."""

    licence: str | None = Field(None, min_length=1)
    """Licence of documents that name none, as SPDX writes it (`Apache-2.0`, `CC-BY-SA-4.0`).

    A document for which no licence is known here, in its record or in `metadata` is quarantined. Write `unknown` to
    take such documents all the same: the licence is then recorded as `unknown`.
    """

    origin: str | None = Field(None, min_length=1)
    """Where documents that do not say so come from, such as `numpy 2.4.6`; by default the source's name."""

    metadata: str | None = Field(None, min_length=1)
    """A file of JSON lines inside the folder, each `{"path": …, "licence": …, "origin": …}`, about one file each."""

    language: Literal["en", "zh"] | None = None
    """A hint, recorded in the snapshot; `clean` identifies the language of each document by itself."""

    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    """The run stops (exit 4) when a larger share of the source's records cannot be used.

    A file that is one document, or cannot be read at all, counts as one record.
    """

    @field_validator("glob", "metadata")
    @classmethod
    def _inside_the_folder(cls, value: str | None) -> str | None:
        if value is not None and (value.startswith("/") or ".." in PurePosixPath(value).parts):
            raise ValueError("must stay inside the source's folder: relative, without `..`")
        return value


Source = FilesSource
"""Any kind of source."""
