"""Settings of the quality rules: our own, and those of Gopher, C4 and FineWeb with their papers' defaults.

A threshold of null turns its rule off; a group of published rules is off until it is `enabled`.

Our own rules are on: they drop what is no text at all. The published ones are off by default: they were made for web
pages, and what they call noise (lists, short lines, braces, repeated phrases) is what documentation, package
descriptions and poems are made of; the docstrings say how much of such text each group drops. Turn them on for crawled
sources.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.config.base import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]

NgramShares = dict[Annotated[int, Field(ge=1, le=40)], Share]
"""Limits by the length of the n-gram."""


class GopherQuality(Config):
    """Rae et al. 2021, appendix A1.1, *quality*; words are what white space separates and holds a letter or digit.

    Of package descriptions it drops 49 % (half have fewer than 50 words), of kernel documentation 19, man pages 16,
    help pages 19, novels 0.4.
    """

    enabled: bool = False

    min_words: int | None = Field(default=50, ge=0)
    """`gopher_few_words`."""

    max_words: int | None = Field(default=100_000, ge=1)
    """`gopher_many_words`."""

    min_mean_word_length: float | None = Field(default=3.0, ge=0)
    """`gopher_word_length`: letters and digits of a word."""

    max_mean_word_length: float | None = Field(default=10.0, ge=0)
    """`gopher_word_length`."""

    max_hash_word_ratio: float | None = Field(default=0.1, ge=0)
    """`gopher_hashes`: number signs (#) per word."""

    max_ellipsis_word_ratio: float | None = Field(default=0.1, ge=0)
    """`gopher_ellipses`: ... and … per word."""

    max_bullet_line_share: Share | None = 0.9
    """`gopher_bullet_lines`: lines that begin with a bullet."""

    max_ellipsis_line_share: Share | None = 0.3
    """`gopher_ellipsis_lines`: lines that end with an ellipsis."""

    min_alphabetic_word_share: Share | None = 0.8
    """`gopher_alphabetic_words`: of all that white space separates, what holds a letter."""

    min_stop_words: int | None = Field(default=2, ge=0)
    """`gopher_stop_words`: different ones of `stop_words`."""

    stop_words: tuple[str, ...] = Field(
        default=("the", "be", "to", "of", "and", "that", "have", "with"), min_length=1, max_length=63
    )
    """Single words, in lower case."""


class ChineseGopherQuality(GopherQuality):
    """The same for Chinese: a word is a Han character or a run of Latin letters and digits.

    Of these a translation has 1.5 to 1.7 for each English word (30,656 pairs of help paragraphs, package descriptions
    and dialogues), so counts are 1.6 times the paper's. Of the same help pages in both languages English loses 19.0 %,
    Chinese 19.9. Biographies in the classical style lose 60 % (they are short, and 30 % have no two of the stop words).
    """

    min_words: int | None = Field(default=80, ge=0)
    max_words: int | None = Field(default=160_000, ge=1)
    min_mean_word_length: float | None = Field(default=None, ge=0)
    max_mean_word_length: float | None = Field(default=None, ge=0)
    stop_words: tuple[str, ...] = Field(
        default=("的", "了", "是", "在", "不", "有", "和", "一", "为", "為", "以", "之", "与", "與", "而", "其"),
        min_length=1,
        max_length=63,
    )


class GopherRepetition(Config):
    """Rae et al. 2021, appendix A1.1, table A1, *repetition*. Shares of n-grams are of the characters of all units,
    white space left out; what stood before counts, its first occurrence does not.

    It drops 17 % of help pages and 18 of Perl's manuals, 10 of package descriptions, no novel.
    """

    enabled: bool = False

    max_duplicate_line_share: Share | None = 0.30
    """`gopher_duplicate_lines`."""

    max_duplicate_line_character_share: Share | None = 0.20
    """`gopher_duplicate_line_characters`."""

    max_duplicate_paragraph_share: Share | None = 0.30
    """`gopher_duplicate_paragraphs`."""

    max_duplicate_paragraph_character_share: Share | None = 0.20
    """`gopher_duplicate_paragraph_characters`."""

    max_top_ngram_share: NgramShares = Field(default={2: 0.20, 3: 0.18, 4: 0.16}, max_length=12)
    """`gopher_top_N_gram`: characters in the most frequent n-gram, times how often it stands."""

    max_duplicate_ngram_share: NgramShares = Field(
        default={5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}, max_length=12
    )
    """`gopher_duplicate_N_grams`: characters in n-grams that stood before."""


class ChineseGopherRepetition(GopherRepetition):
    """The same for Chinese, whose n-grams are of characters, 1.6 for each English word of the paper's, with its limits.

    Help pages in both languages: English loses 17.4 %, Chinese 18.8. Classical poems lose 2.4, Chinese man pages 26.
    """

    max_top_ngram_share: NgramShares = Field(default={3: 0.20, 5: 0.18, 6: 0.16}, max_length=12)
    max_duplicate_ngram_share: NgramShares = Field(
        default={8: 0.15, 10: 0.14, 11: 0.13, 13: 0.12, 14: 0.11, 16: 0.10}, max_length=12
    )


class C4(Config):
    """Raffel et al. 2020, section 2.2. The first four take lines out of a text; the text stays if enough is left.

    Left out are the markers of citations, which are subscripts in code, and the comparison of three-sentence spans,
    which is deduplication's. C4 drops 82 % of package descriptions (of fewer than three sentences), 72 of man pages
    and 45 of kernel documentation (braces), 20 of help pages, 0.7 of novels.
    """

    enabled: bool = False

    terminal_marks: bool = True
    """Leave only lines that end with . ! ? … 。 ！ ？ or a closing quotation mark."""

    min_line_words: int | None = Field(default=5, ge=1)
    """Leave only lines of so many words."""

    drop_javascript_lines: bool = True
    """Take out lines that say `javascript`."""

    drop_policy_lines: bool = True
    """Take out lines on cookies, terms of use and privacy policies."""

    min_sentences: int | None = Field(default=3, ge=0)
    """`c4_few_sentences`: so many have to be left."""

    drop_lorem_ipsum: bool = True
    """`c4_lorem_ipsum`."""

    drop_curly_brackets: bool = True
    """`c4_curly_bracket`: any at all, as a sign of code."""


class ChineseC4(C4):
    """The same for Chinese: a word is a Han character or a run of Latin letters and digits, 1.6 to an English one.

    Help pages in both languages: English loses 20.0 %, Chinese 19.7.
    """

    min_line_words: int | None = Field(default=8, ge=1)


class FineWeb(Config):
    """Penedo et al. 2024, section 3.4: the three rules that improved models, and FineWeb's rule against lists.

    It drops 98 % of man pages, 81 of kernel documentation and 41 of help pages (headings and options repeat lines), 13
    of novels.
    """

    enabled: bool = False

    min_punctuated_line_share: Share | None = 0.12
    """`fineweb_punctuation`: lines that end with a terminal mark (see `c4`)."""

    max_short_line_share: Share | None = 0.67
    """`fineweb_short_lines`."""

    short_line_characters: int = Field(default=30, ge=1)
    """A line of at most so many characters is short."""

    max_duplicate_character_share: Share | None = 0.01
    """`fineweb_duplicate_characters`: characters in lines that stood before."""

    max_newline_word_ratio: float | None = Field(default=0.3, ge=0)
    """`fineweb_newlines`: newlines per word."""


class ChineseFineWeb(FineWeb):
    """The same for Chinese, which says in a character what English says in 2.4 to 3.0: a short line is 30 / 2.7.

    Help pages in both languages: English loses 41.4 %, Chinese 39.6. Collections of poems lose 97: a poet's name stands
    above each poem.
    """

    short_line_characters: int = Field(default=11, ge=1)
    max_newline_word_ratio: float | None = Field(default=0.19, ge=0)


class Quality(Config):
    """Rules that both languages share; a document is dropped by the first one that it fails."""

    gopher_quality: GopherQuality = GopherQuality()
    gopher_repetition: GopherRepetition = GopherRepetition()
    c4: C4 = C4()
    fineweb: FineWeb = FineWeb()

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
    text is held together by (tasks/text/words). Rounded down: a text of fewer than 1 / share words need not have
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

    gopher_quality: ChineseGopherQuality = ChineseGopherQuality()
    gopher_repetition: ChineseGopherRepetition = ChineseGopherRepetition()
    c4: ChineseC4 = ChineseC4()
    fineweb: ChineseFineWeb = ChineseFineWeb()

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
