"""Settings of `boilerplate`: which lines stand all over a source."""

from __future__ import annotations

from pydantic import Field

from schemas.config.base import Config
from schemas.config.clean import HtmlConfig, PersonalConfig, UnicodeConfig
from schemas.config.quality import Share


class BoilerplateConfig(Config):
    """How the lines are found that many documents of one source have: cookie notices, menus, licence headers.

    Off by default: in documentation such lines (headings of parameters, copyright notices) are part of the text.
    """

    enabled: bool = False
    """Whether the stage is part of the pipeline."""

    min_documents: int = Field(default=10, ge=2)
    """A line counts as boilerplate from so many documents on,"""

    min_share: Share = 0.05
    """and from this share of the documents looked at."""

    min_characters: int = Field(default=8, ge=1)
    """Shorter lines (closing brackets, `Returns`) are never boilerplate."""

    max_documents: int = Field(default=20_000, ge=100)
    """Documents of a source looked at, about; of a larger source a sample, by digests of ids."""

    renew_after_days: int = Field(default=30, ge=1)
    """A source is looked at anew when its table is so many days old (by the nominal date); until then what was found
    stays as it is, so that a night with few new documents cleans no old one again."""

    html: HtmlConfig = HtmlConfig()
    """Filled in from `clean.html`: lines are counted as `clean` will see them."""

    unicode: UnicodeConfig = UnicodeConfig()
    """Filled in from `clean.unicode`."""

    personal: PersonalConfig = PersonalConfig()
    """Filled in from `clean.personal`."""
