"""Settings of `clean`: HTML to text, characters, language and the first quality rules.

The defaults were chosen on documentation, package descriptions, novels, classical Chinese poetry and licence texts,
so that short, list-like or code-like writing stays: a rule drops what is no text at all, not what is unusual. A
threshold of null turns its rule off.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.config.base import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]


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


class Quality(Config):
    """Rules that both languages share; a document is dropped by the first one that it fails."""

    min_characters: int | None = Field(default=20, ge=0)
    """`too_short`: fewer characters than this, white space not counted."""

    max_characters: int | None = Field(default=4_000_000, ge=1)
    """`too_long`: more characters than this, white space counted. Books and dictionaries reach 2 million; more is a
    dump of data."""

    max_damaged_share: Share | None = 0.05
    """`damaged`: more replacement (�) and private-use characters than this share: its content
    is lost. A single rare character of an old encoding in a short biography is not."""

    min_letter_share: Share | None = 0.3
    """`few_letters`: a smaller share of letters among the characters that are not white space: tables of numbers.
    Runs of symbols, as in drawn tables, are left out of account."""

    max_symbol_share: Share | None = 0.5
    """`symbols`: a larger share of characters that are neither letters, digits nor white space, runs of
    symbols left out of account."""

    max_run_share: Share | None = 0.7
    """`repeated_characters`: a larger share of characters in runs of ten and more of the same one. Underlined titles
    and drawn tables stay below."""

    max_duplicate_line_share: Share | None = 0.5
    """`duplicate_lines`: a larger share of text in lines that stood before in the same document."""

    min_function_word_share: Share | None = 0.01
    """`no_function_words`: among the words (for Chinese, the Han characters) a smaller share of those that running
    text is held together by (tasks/clean/words). Rounded down: a text of fewer than 1 / share words need not have
    any. Gopher (Rae et al. 2021, A1) asks for two in any text, which drops short descriptions."""


class EnglishQuality(Quality):
    """Thresholds for English."""

    min_words: int | None = Field(default=5, ge=0)
    """`too_few_words`: fewer words than this say nothing a language model could learn from."""

    min_mean_word_length: float | None = Field(default=2.0, ge=0)
    """`word_length`: shorter words on average: scattered letters. Gopher's limits, 3 and 10, are widened for code."""

    max_mean_word_length: float | None = Field(default=14.0, ge=1)
    """`word_length`: longer words on average: encoded data."""


class ChineseQuality(Quality):
    """Thresholds for Chinese, which has no spaces between words: lengths count characters."""

    min_characters: int | None = Field(default=8, ge=0)
    """`too_short`: fewer characters than this, white space not counted: a Chinese character says about as much as
    three of an English text."""

    min_function_word_share: Share | None = 0.005
    """`no_function_words`: as for English; menus and biographies in the classical style have few."""

    min_han: int | None = Field(default=5, ge=0)
    """`too_few_han`: fewer Han characters than this."""


class QualityConfig(Config):
    """Quality rules per language."""

    en: EnglishQuality = EnglishQuality()
    zh: ChineseQuality = ChineseQuality()


class CleanConfig(Config):
    """Settings of the stage `clean`."""

    html: HtmlConfig = HtmlConfig()
    unicode: UnicodeConfig = UnicodeConfig()
    language: LanguageConfig = LanguageConfig()
    quality: QualityConfig = QualityConfig()
