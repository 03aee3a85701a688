"""Sources that are not folders of this machine: a look brings what is new of them into the store.

Every run between two looks reads the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config.base import EXECUTION
from schemas.config.http import HttpFetching
from schemas.config.references import LiteralSecret, holds_secret, is_reference, names_secret, place_reference
from schemas.config.source import Place, RemoteSource, inside_the_folder


class HttpSource(HttpFetching, RemoteSource):
    """Pages and files of the web: lists of addresses and sitemaps. Lists in files are read at every look."""

    fetched_by: ClassVar[tuple[str, ...]] = ("url_file", "max_file_bytes")
    kin_by: ClassVar[tuple[str, ...]] = ("content_types",)

    type: Literal["http"]
    """The kind of source."""

    def located(self, place: Place) -> Self:
        return self.model_copy(update={name: place(path) for name, path in self.local_paths().items()})

    def local_paths(self) -> dict[str, Path]:
        named = {"url_file": self.url_file, "ca_file": self.ca_file}
        return {name: path for name, path in named.items() if path is not None}


class UrlSource(RemoteSource):
    """Files below a URL that fsspec opens: S3 and what speaks like it, SFTP, another disk, …"""

    fetched_by: ClassVar[tuple[str, ...]] = ("url", "options", "format")
    kin_by: ClassVar[tuple[str, ...]] = ("url", "options", "format")

    type: Literal["url"]
    """The kind of source."""

    url: Annotated[str, EXECUTION] = Field(pattern=r"^[a-z][a-z0-9+.-]*://")
    """A folder or one file, such as `s3://bucket/prefix`, without credentials."""

    glob: str = Field("**/*", min_length=1)
    """Which files below the folder. Hidden files and folders are always left out."""

    options: Annotated[dict[str, Any], EXECUTION] = Field(default_factory=dict)
    """What fsspec's file system is opened with, such as `key: env:S3_KEY` and `secret: file:s3-secret.txt`.

    Values `env:NAME` and `file:PATH` are replaced by what the variable or file holds, when the source is looked at.
    """

    max_transfer_bytes: int = Field(16 * 1024**3, ge=1)
    """Larger files are not transferred, but quarantined."""

    @field_validator("glob")
    @classmethod
    def _inside_the_folder(cls, value: str) -> str:
        return str(inside_the_folder(value))

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if "@" in value.partition("://")[2].partition("/")[0] or holds_secret(value):
            raise LiteralSecret("must not hold credentials: give them in `options`, as `env:NAME` or `file:PATH`")
        return value

    @field_validator("options")
    @classmethod
    def _secrets_are_references(cls, value: dict[str, Any]) -> dict[str, Any]:
        _refuse_literal_secrets(value, "options")
        return value

    def located(self, place: Place) -> Self:
        return self.model_copy(update={"options": _placed(self.options, place)})

    def origin_of(self, url: str) -> str:
        return "" if url.partition("://")[0] in ("file", "local", "memory") else url


class DatasetsSource(RemoteSource):
    """Rows of a dataset of the `datasets` library: a local folder, or one of the hub at a pinned revision."""

    fetched_by: ClassVar[tuple[str, ...]] = ("path", "limit", "text_field", "licence_field", "origin_field")

    type: Literal["datasets"]
    """The kind of source."""

    mode: Literal["mirror"] = "mirror"
    """A dataset is taken as it is now: rows have no name by which an older one could be kept beside it."""

    path: Annotated[Path | None, EXECUTION] = None
    """A folder that `save_to_disk` wrote, or one with files that `load_dataset` reads (Parquet, JSON lines, CSV)."""

    hub: str | None = Field(None, pattern=r"^[\w.-]+(/[\w.-]+)?$")
    """Name on the hub, such as `owner/name`; give this or `path`."""

    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """The commit to take, as 40 hex digits: a branch or a tag would be another dataset one day."""

    name: str | None = Field(None, min_length=1)
    """Which configuration of the dataset."""

    split: str = Field("train", min_length=1)
    """Which split."""

    token: Annotated[str | None, EXECUTION] = None
    """Access token of the hub, as `env:NAME` or `file:PATH`."""

    chunk_rows: int = Field(5000, ge=1)
    """Rows in each file that is written of them."""

    @field_validator("token")
    @classmethod
    def _a_reference(cls, value: str | None) -> str | None:
        if value is not None and not is_reference(value):
            raise LiteralSecret("must be a reference: `env:NAME` or `file:PATH`")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either `path` (a local folder) or `hub` (a name on the hub)")
        if self.hub is not None and self.revision is None:
            raise ValueError("a dataset of the hub needs `revision`, the commit to take (40 hex digits)")
        if self.hub is None and self.revision is not None:
            raise ValueError("a local folder has no `revision`")
        return self

    def located(self, place: Place) -> Self:
        token = None if self.token is None else place_reference(self.token, place)
        return self.model_copy(update={"path": None if self.path is None else place(self.path), "token": token})

    def local_paths(self) -> dict[str, Path]:
        return {} if self.path is None else {"path": self.path}


class SqlSource(RemoteSource):
    """Rows that a query gives, read through a server-side cursor.

    With `incremental`, a look reads the rows from the last high-water mark on, and what was read before stays: rows
    that share the mark, and rows up to `late_by` below it, are read again, so none is missed. Without it, every look
    reads all rows.
    """

    fetched_by: ClassVar[tuple[str, ...]] = ("url", "limit", "text_field", "licence_field", "origin_field")

    type: Literal["sql"]
    """The kind of source."""

    url: Annotated[str, EXECUTION]
    """A URL as SQLAlchemy writes it. If it holds a password it is a reference: `env:NAME` or `file:PATH`."""

    query: str = Field(min_length=1)
    """One SELECT that gives `text_field` and, if there are such, `licence_field`, `origin_field` and the two below.

    Without `incremental` it should say ORDER BY: an order that changes makes all files new.
    """

    incremental: str | None = Field(None, min_length=1)
    """A column that grows: a number, a time or a date. Needs `mode: accumulate`."""

    late_by: float = Field(0.0, ge=0)
    """How far below the highest value rows may still appear: units of a number, seconds of a time, days of a date."""

    order_by: str | None = Field(None, min_length=1)
    """A column that orders rows of one `incremental` value; by default they are ordered by their texts."""

    chunk_rows: int = Field(5000, ge=1)
    """Rows in each file that is written of them; rows that share an `incremental` value are never parted."""

    @field_validator("url")
    @classmethod
    def _without_a_password(cls, value: str) -> str:
        if is_reference(value):
            return value
        if "://" not in value:
            raise ValueError("must be like `postgresql://user@host/database`, `env:NAME` or `file:PATH`")
        if ":" in value.partition("://")[2].rpartition("@")[0] or holds_secret(value):
            raise LiteralSecret("must not hold a password: write the URL into a variable or file, and `env:NAME` here")
        return value

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        if self.incremental is not None and self.mode == "mirror":
            raise ValueError(
                "`incremental` reads new rows only, so it cannot see what left: say `mode: accumulate`, or leave it out"
            )
        if self.incremental is None and self.mode == "accumulate":
            raise ValueError("to accumulate rows, name an `incremental` column that grows")
        if self.incremental is None and (self.late_by or self.order_by is not None):
            raise ValueError("`late_by` and `order_by` go with `incremental`")
        return self

    def located(self, place: Place) -> Self:
        return self.model_copy(update={"url": place_reference(self.url, place)})

    def origin_of(self, url: str) -> str:
        del url  # A database may move, and its rows are the same.
        return ""


def _refuse_literal_secrets(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and names_secret(str(name)) and not is_reference(item):
                raise LiteralSecret(f"{where}.{name} must be a reference: `env:NAME` or `file:PATH`")
            _refuse_literal_secrets(item, f"{where}.{name}")
    elif isinstance(value, list):
        for item in value:
            _refuse_literal_secrets(item, where)
    elif isinstance(value, str) and "://" in value and ("@" in value.split("://", 1)[1] or holds_secret(value)):
        raise LiteralSecret(f"{where} must not hold a URL with credentials")


def _placed(value: Any, place: Place) -> Any:
    if isinstance(value, dict):
        return {name: _placed(item, place) for name, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, place) for item in value]
    return place_reference(value, place) if isinstance(value, str) else value
