"""Configuration of `snapshot`: the sources that are looked at."""

from __future__ import annotations

from pydantic import Field

from schemas.config.base import Config
from schemas.config.sources import Source, SourceName


class SnapshotConfig(Config):
    """What the corpus is made of."""

    sources: dict[SourceName, Source] = Field(min_length=1)
    """The sources by name. A source's name is part of its documents' locators: renaming it makes them new documents."""
