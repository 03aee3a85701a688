"""From a document as collected to text that can be judged: markup off, characters uniform, personal data replaced.

All steps look at one document at a time, so how documents are batched does not matter; and doing it to a result again
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from schemas.config.clean import HtmlConfig, PersonalConfig, UnicodeConfig
from tasks.text import personal
from tasks.text.characters import damaged_characters, normalise
from tasks.text.markup import html_to_text


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepared texts.

    Attributes:
        texts: str[documents].
        repaired: bool[documents], whether a wrong encoding was undone.
        damaged: int64[documents], replacement and private-use characters that there were.
        replaced: int64 per kind of personal data (`personal.KINDS`) and document.
    """

    texts: pl.Series
    repaired: pl.Series
    damaged: pl.Series
    replaced: pl.DataFrame


def prepare(
    texts: pl.Series, formats: pl.Series, html: HtmlConfig, unicode: UnicodeConfig, replaced: PersonalConfig
) -> Preparation:
    """Prepares texts of the given formats; `html` names those with markup that is taken off."""
    pages = (formats == "html").arg_true()
    if len(pages):
        texts = texts.clone().scatter(pages, [html_to_text(page, html) for page in texts.gather(pages)])
    normal = normalise(texts, unicode)
    found, counts = personal.replace(
        normal["text"], replaced.kinds, public_addresses_only=replaced.public_addresses_only
    )
    return Preparation(found, normal["repaired"], damaged_characters(texts), counts)
