"""Which text is read how often."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from schemas.config.base import Config
from schemas.tokens import LANGUAGES

Weight = Annotated[float, Field(ge=0, le=1e6)]


class MixtureConfig(Config):
    """Weights of languages and sources in training. They are applied while it reads: changing one packs nothing anew.

    Without any, every block of text is read once before any is read again.
    """

    languages: dict[str, Weight] = Field(default_factory=dict)
    """Shares of the languages, relative to each other, such as `{en: 7, zh: 3}`; one that is left out has none. Empty:
    as much of each as there is."""

    sources: dict[str, Weight] = Field(default_factory=dict)
    """How often the text of a source is read for one time that other text of its language is read: 2 for twice as
    often, 0.5 for half, 0 for never. Sources that are left out have 1."""

    @model_validator(mode="after")
    def _some_text(self) -> MixtureConfig:
        unknown = sorted(set(self.languages) - set(LANGUAGES))
        if unknown:
            raise ValueError(f"there is no language {', '.join(unknown)}; there are {', '.join(LANGUAGES)}")
        if self.languages and not any(self.languages.values()):
            raise ValueError("at least one language needs a share above 0")
        return self
