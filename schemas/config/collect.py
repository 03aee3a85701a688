"""Configuration of `collect`: how files are grouped into parts."""

from __future__ import annotations

from pydantic import Field

from schemas.config.base import Config
from schemas.config.sources import Source, SourceName


class CollectConfig(Config):
    """How documents are read."""

    sources: dict[SourceName, Source] = Field(default_factory=dict)
    """Filled in by the pipeline with the snapshot's sources: how each is read, and where it lies on this machine."""

    part_bytes: int = Field(64 * 1024**2, ge=1024)
    """Files are read in parts of about this size (half to one and a half times as much; a larger file is one part)."""
