"""Settings of `clean`: HTML to text, characters, language, personal data, licences, word lists.

The defaults were chosen on documentation, package descriptions, novels, classical Chinese poetry and licence texts,
so that short, list-like or code-like writing stays: a rule drops what is no text at all, not what is unusual.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.config.base import EXECUTION, Config
from schemas.config.quality import QualityConfig, Share


class HtmlConfig(Config):
    """How pages become text."""

    main_content: bool = True
    """Leave out navigation, sidebars and footers, and read only the page's one `main` element where it has one."""

    title: bool = True
    """Put the page's title first when the page has no first-level heading."""


class UnicodeConfig(Config):
    """How characters are made uniform. NFC, Unix newlines and the removal of control characters are not optional."""

    repair_mojibake: bool = True
    """Repair text that was decoded with the wrong encoding (`donâ€™t`, `ÖÐÎÄ`) where it shows the signs of it."""

    keep_private_use: bool = False
    """Keep private-use characters; most are icons of a font that the reader does not have."""

    fold_full_width: bool = False
    """Write full-width Latin letters and digits (`ＡＢＣ１２３`) as ASCII. Chinese punctuation stays as it is."""

    simplify_chinese: bool = False
    """Write traditional Chinese as simplified (OpenCC, characters and phrases). Classical texts lose distinctions."""

    max_space_run: int = Field(default=120, ge=1)
    """Longer runs of spaces inside a line are cut to this; indentation stays, and with it the alignment of tables: of
    80,000 documents one had a longer run, while 32 would have put 270 out of line."""

    max_blank_lines: int = Field(default=2, ge=0)
    """More blank lines in a row are cut to this many."""


class LanguageConfig(Config):
    """How a document's language is decided. Letters decide first; lingua only where they and common words do not."""

    min_han_share: Share = 0.1
    """A document is Chinese from this share of Han characters among its letters. One Han character says about as much
    as five Latin letters, and Chinese documentation quotes much code: manuals had 0.05 to 0.7, English texts less
    than 0.02."""

    min_han_share_of_beginning: Share = 0.3
    """It is Chinese also from this share among the letters of the sample: a Chinese page with a long listing."""

    max_kana_share: Share = 0.1
    """Above this share of kana among Han and kana characters, it is Japanese. Japanese had at least 0.38, Chinese
    almost always 0."""

    max_foreign_share: Share = 0.3
    """Above this share of letters that are neither Latin nor Han (Cyrillic, Hangul, kana, Arabic …) it is another
    language. Mathematics in Greek letters stays below."""

    sample_characters: int = Field(default=500, ge=50)
    """How much of a document's beginning is looked at for the languages written in Latin letters."""

    min_function_words: Share = 0.08
    """From this share of English function words in the sample, it is English without asking lingua."""

    min_english_confidence: Share = 0.0001
    """A text in Latin letters is English unless lingua's confidence in that is lower: names, parameter lists and code
    mislead it towards other languages with some doubt left; 99 % of German texts left less than 0.000003."""


class PersonalConfig(Config):
    """Which personal data is replaced by placeholders (`<EMAIL>`, `<PHONE>`, `<IP>`, `<CARD>`, `<IBAN>`, `<ID>`)."""

    email: bool = True

    phone: bool = True
    """Chinese mobile and landline numbers, North American ones, and international ones with their country code."""

    ip: bool = True
    """Addresses of IPv4 and IPv6."""

    public_addresses_only: bool = True
    """Leave private, local and documentation addresses."""

    card: bool = True
    """Payment cards, by issuer and check digit."""

    iban: bool = True
    """International bank account numbers, by country, length and check digits."""

    resident_id: bool = True
    """Resident identity numbers of the People's Republic of China, by province, date and check character."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds to replace."""
        names = ("email", "phone", "ip", "card", "iban", "resident_id")
        return tuple(name for name in names if getattr(self, name))


class LicenceConfig(Config):
    """Which documents may be used."""

    allow: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    """`licence_not_allowed`: SPDX identifiers or patterns (`CC-BY-*`), in any case; null allows everything. Of a
    document under `A OR B` one has to be allowed, under `A AND B` both; `A WITH exception` is allowed by its own name
    or by that of `A`."""

    unknown: Literal["keep", "drop"] = "drop"
    """What becomes of documents without a licence, once `allow` is given."""


class WordListConfig(Config):
    """Documents with too many words of a list are left out, for the reason `word_list_NAME`."""

    path: Annotated[Path, EXECUTION]
    """A text file, one word or phrase a line, in UTF-8; lines that begin with # are comments. Its content counts for
    what is built, its place does not. Relative to the configuration file."""

    language: Literal["en", "zh"]
    """Of the documents that are looked at. English words have to stand by themselves, capitals or not; Chinese ones
    may stand anywhere."""

    max_count: int | None = Field(default=0, ge=0)
    """More occurrences than this drop a document; null counts none."""

    max_share: Share | None = None
    """A larger share of a document's characters (white space left out) in such words drops it; null asks for none."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.max_count is None and self.max_share is None:
            raise ValueError("one of max_count and max_share has to be set")
        return self


class CleanConfig(Config):
    """Settings of the stage `clean`."""

    html: HtmlConfig = HtmlConfig()
    unicode: UnicodeConfig = UnicodeConfig()
    personal: PersonalConfig = PersonalConfig()
    language: LanguageConfig = LanguageConfig()
    quality: QualityConfig = QualityConfig()
    licence: LicenceConfig = LicenceConfig()

    word_lists: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)], WordListConfig] = Field(
        default_factory=dict
    )
    """Lists of unwanted words, by name."""

    boilerplate: Literal["remove", "count"] = "remove"
    """What is done with the lines that the stage `boilerplate` found all over a source, where it is `enabled`."""

    reject_samples: int = Field(default=3, ge=0, le=100)
    """Documents shown per source and reason in `reject_samples.json`, personal data replaced."""
