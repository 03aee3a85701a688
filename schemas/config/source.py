"""What all kinds of sources have in common, and what the remote ones do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from schemas.config.base import EXECUTION
from schemas.config.formats import Reading
from schemas.config.references import names_secret, without_secrets

Mode = Literal["mirror", "accumulate"]

Place = Callable[[Path], Path]
"""Makes a path of the configuration absolute."""


class AnySource(Reading):
    """What all kinds of sources have in common."""

    mode: Mode = "mirror"
    """What becomes of documents that left the source: `mirror` drops them, `accumulate` keeps them.

    What is accumulated is copied into the store. A file that changed is read anew in both modes.
    """

    limit: int | None = Field(None, ge=1)
    """At most so many documents, the first in order of their paths; all by default."""

    licence: str | None = Field(None, min_length=1)
    """Licence of documents that name none, as SPDX writes it (`Apache-2.0`, `CC-BY-SA-4.0`).

    A document for which no licence is known here, in its record or in `metadata` is quarantined. Write `unknown` to
    take such documents all the same: the licence is then recorded as `unknown`.
    """

    origin: str | None = Field(None, min_length=1)
    """Where documents that do not say so come from, such as `numpy 2.4.6`; by default a URL or the source's name."""

    language: Literal["en", "zh"] | None = None
    """A hint, recorded in the snapshot; `clean` identifies the language of each document by itself."""

    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    """The run stops (exit 4) when a larger share of the source's records cannot be used.

    A file that is one document, or cannot be read at all, counts as one record.
    """

    def located(self, place: Place) -> Self:
        """Returns the source with its paths made absolute."""
        del place
        return self

    def local_paths(self) -> dict[str, Path]:
        """Returns what must be there before anything can run, by the setting that names it."""
        return {}


class RemoteSource(AnySource):
    """What kinds have in common that are looked at only now and then: with `--refresh`, and when they never were."""

    when_down: Annotated[Literal["proceed", "hold"], EXECUTION] = "hold"
    """What happens while it cannot be reached: `hold` stops (exit 6), `proceed` goes on with what it held last."""

    max_staleness_days: Annotated[float, Field(ge=0), EXECUTION] = 7.0
    """`proceed` holds as well once the last whole look is older than this."""

    fetched_by: ClassVar[tuple[str, ...]] = ()
    """Settings of all sources, or marked as execution, that decide for this kind what is fetched."""

    kin_by: ClassVar[tuple[str, ...]] = ()
    """Settings that are enough to tell that equal paths are the same files, whatever else is chosen of them."""

    def fetching(self) -> dict[str, Any]:
        """Returns the settings that decide what is fetched: a source is remembered under their digest."""
        common = RemoteSource.model_fields
        own = [
            name
            for name, field in type(self).model_fields.items()
            if name not in common and not any(mark is EXECUTION for mark in field.metadata)
        ]
        return self._settings({"type", *own, *self.fetched_by})

    def origin_of(self, url: str) -> str:
        """Returns what a file's URL tells of where it comes from; nothing if it only says where it lies just now."""
        return url

    def kinship(self) -> dict[str, Any]:
        """Returns the settings that sources share which may use what the other fetched."""
        return self._settings({"type", *self.kin_by}) if self.kin_by else self.fetching()

    def _settings(self, names: set[str]) -> dict[str, Any]:
        chosen = self.model_dump(mode="json", include=names)
        return {name: without_secrets(value) for name, value in chosen.items() if not names_secret(name)}


def inside_the_folder(value: str | None) -> str | None:
    """Checks a path or pattern that is relative to a source's folder."""
    if value is not None and (value.startswith("/") or ".." in PurePosixPath(value).parts):
        raise ValueError("must stay inside the source's folder: relative, without `..`")
    return value
