"""Settings of `pack`."""

from __future__ import annotations

from schemas.config.base import Config


class PackConfig(Config):
    """How documents become tokens. There is nothing to choose: the tokenizer decides the ids, the format is fixed."""
