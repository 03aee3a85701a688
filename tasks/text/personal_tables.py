"""What the search for personal data looks up: domains, words, countries and provinces, as arrays that it is given."""

from __future__ import annotations

from functools import cache

import numpy as np

from tasks.arrays.utf8 import I32, I64, Bools

NO_TOP_LEVEL_DOMAINS = (
    "png jpg jpeg gif svg ico webp bmp pdf js ts css scss html htm xml json yaml yml toml ini conf cfg txt md rst py"
    " java class cpp jar exe dll tar zip rpm deb dev-null service socket target timer mount slice device scope"
    " automount swap local localhost localdomain internal lan invalid"
)
VERSION_WORDS = "version versions ver v release rel rev revision section chapter build appendix clause"
IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
    "SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
COUNTRY_CODES = (
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86"
    " 90 91 92 93 94 95 98 211 212 213 216 218 220-269 290 291 297 298 299 350-359 370-379 380 381 382 383 385 386 387"
    " 389 420 421 423 500-509 590-599 670 672-679 680-683 685-692 850 852 853 855 856 880 886 960-968 970-977 992-996"
    " 998"
)
PROVINCES = "11-15 21-23 31-37 41-46 50-54 61-65 71 81 82 83"


def numbers(text: str) -> list[int]:
    """Returns the numbers and ranges of numbers that a text names."""
    found: list[int] = []
    for piece in text.split():
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def letters_code(word: str) -> int:
    """A word of at most 12 letters as a number, as `_lettersletters_code` makes it."""
    value = 0
    for letter in word:
        value = value * 27 + ord(letter) - 96
    return value


@cache
def tables() -> tuple[I64, I64, I32, Bools, Bools]:
    """Returns what `search` looks up: words that are no top-level domain, words that a version follows, the length of
    an IBAN by its two letters, country codes and provinces by number."""
    no_domains = np.array(
        sorted(letters_code(word) for word in NO_TOP_LEVEL_DOMAINS.split() if word.isalpha()), np.int64
    )
    versions = np.array(sorted(letters_code(word) for word in VERSION_WORDS.split()), np.int64)
    lengths = np.zeros(26 * 26, dtype=np.int32)
    for entry in IBAN_LENGTHS.split():
        lengths[(ord(entry[0]) - 65) * 26 + ord(entry[1]) - 65] = int(entry[2:])
    countries = np.zeros(1000, dtype=np.bool_)
    countries[numbers(COUNTRY_CODES)] = True
    provinces = np.zeros(100, dtype=np.bool_)
    provinces[numbers(PROVINCES)] = True
    return no_domains, versions, lengths, countries, provinces
