"""Where documents come from: each kind of source is one model with its own `type`. `formats` tells what files hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator

from schemas.config.base import EXECUTION
from schemas.config.remote_sources import DatasetsSource, HttpSource, SqlSource, UrlSource
from schemas.config.source import AnySource, Place, inside_the_folder

SourceName = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=64)]
"""Letters of any script, digits, `_`, `-` and `.`; part of every document's locator."""


class FilesSource(AnySource):
    """Documents in a folder: one in a file (text, Markdown, reStructuredText, HTML) or many (JSON lines, Parquet)."""

    type: Literal["files"] = "files"
    """The kind of source; may be left out."""

    path: Annotated[Path, EXECUTION]
    """A folder, or one file; relative to the configuration file. Where it lies never counts, only what is in it."""

    glob: str = Field("**/*", min_length=1)
    """Which files below the folder, such as `docs/**/*.md`. Hidden files and folders are always left out."""

    follow_links: bool = False
    """Whether symbolic links may lead out of the folder. By default such links are quarantined unread."""

    metadata: str | None = Field(None, min_length=1)
    """A file of JSON lines inside the folder, each `{"path": …, "licence": …, "origin": …}`, about one file each."""

    @field_validator("glob", "metadata")
    @classmethod
    def _inside_the_folder(cls, value: str | None) -> str | None:
        return inside_the_folder(value)

    def located(self, place: Place) -> Self:
        return self.model_copy(update={"path": place(self.path)})

    def local_paths(self) -> dict[str, Path]:
        return {"path": self.path}


KINDS: Mapping[str, type[AnySource]] = {
    "files": FilesSource,
    "url": UrlSource,
    "http": HttpSource,
    "datasets": DatasetsSource,
    "sql": SqlSource,
}


def _kind(value: Any) -> str:
    """The kind of a source; one that names none is a folder of files."""
    found = value.get("type", "files") if isinstance(value, dict) else getattr(value, "type", "")
    return f"<{found}>"


# In angle brackets, because the names of kinds are also names of settings, and pydantic's errors hold both.
Source = Annotated[
    Annotated[FilesSource, Tag("<files>")]
    | Annotated[UrlSource, Tag("<url>")]
    | Annotated[HttpSource, Tag("<http>")]
    | Annotated[DatasetsSource, Tag("<datasets>")]
    | Annotated[SqlSource, Tag("<sql>")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message="`type` must be one of " + ", ".join(KINDS),
    ),
]
"""Any kind of source."""
