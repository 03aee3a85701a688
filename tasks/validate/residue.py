"""Personal data that is left in texts, found by patterns of validation's own.

They are stricter than those that clean: what they find has the form *and* the checksum of what it is, so that one find
is worth stopping for. Only texts that the compiled pass marked are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from tasks.arrays.utf8 import I32, U8
from tasks.validate import kernel

KINDS = ("emails", "phones", "cards", "resident_ids", "ibans", "ip_addresses")

# With the path that may follow: `git@host.org:owner/name` is where a program logs in, not where somebody is written to.
_EMAIL = r"[A-Za-z0-9][A-Za-z0-9._%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?::[A-Za-z0-9_~/])?"
# A number not inside a word or after a dot; its digits may stand in groups. Letters of other scripts may touch it.
_NUMBER = r"(?:^|[^0-9A-Za-z_.])\+?[0-9](?:[ -]?[0-9]){9,}[0-9Xx](?-u:\b)"
_IBAN = r"(?-u:\b)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?-u:\b)"
_IP = r"(?-u:\b)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?-u:\b)"

_NOBODYS_DOMAINS = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|example\.(?:com|net|org))$", re.IGNORECASE)
"""RFC 2606: addresses there are examples, or the placeholders of cleaning itself."""

_CHECKSUM_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999, ISO 7064 MOD 11-2
_CHECKSUM_DIGITS = "10X98765432"
_BIRTH = re.compile(r"[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9X]")
_RESERVED = re.compile(
    r"10\.|127\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|192\.0\.[02]\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\."
    r"|198\.1[89]\.|198\.51\.100\.|203\.0\.113\."
)
"""IPv4 networks that are nobody's on the internet (RFC 6890)."""
_MOBILE = re.compile(r"(?:86)?1(?:3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])\d{8}")
"""Numbers in the ranges that are in use: others of eleven digits are counts of bytes and the like."""
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d)\d{12}"
    r"|62\d{14,17}"
)


def count(texts: pl.Series, marks: U8) -> dict[str, I32]:
    """Counts what each text holds, int32[n] for each of `KINDS`.

    Args:
        texts: n texts.
        marks: uint8[n], what they may hold; see `kernel.scan`.
    """
    found = {kind: np.zeros(len(texts), dtype=np.int32) for kind in KINDS}
    for mark, pattern, kinds in _SEARCHES:
        rows = np.flatnonzero(marks & mark)
        if len(rows):
            matches = texts.gather(rows).str.extract_all(pattern).to_list()
            for row, inside in zip(rows.tolist(), matches, strict=True):
                for match in inside or ():
                    for kind, is_one in kinds.items():
                        found[kind][row] += is_one(match)
    return found


def is_address_of_somebody(match: str) -> bool:
    """Whether an e-mail address is none of those that are reserved for examples, and no login with a path."""
    return ":" not in match and not _NOBODYS_DOMAINS.search(match.rpartition("@")[2])


def is_mobile(match: str) -> bool:
    """Whether a number is one of a Chinese mobile telephone."""
    return any(_MOBILE.fullmatch(number) for number in _numbers(match))


def is_card(match: str) -> bool:
    """Whether a number is a payment card's: its issuer's form, and the Luhn checksum."""
    return any(_CARD.fullmatch(number) and _luhn(number) for number in _numbers(match))


def is_resident_id(match: str) -> bool:
    """Whether a number is a Chinese resident's: place, date of birth, and checksum."""
    return any(
        _BIRTH.fullmatch(number)
        and _CHECKSUM_DIGITS[
            sum(int(digit) * weight for digit, weight in zip(number, _CHECKSUM_WEIGHTS, strict=False)) % 11
        ]
        == number[-1]
        for number in _numbers(match)
    )


def is_iban(match: str) -> bool:
    """Whether letters and digits are an IBAN: 15 to 34 of them, and ISO 7064 MOD 97-10."""
    number = match.replace(" ", "")
    turned = number[4:] + number[:4]
    return 15 <= len(number) <= 34 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def is_public_ip(match: str) -> bool:
    """Whether four numbers are an address of the public internet."""
    parts = [int(part) for part in match.split(".")]
    return max(parts) <= 255 and not _RESERVED.match(match) and 0 < parts[0] < 224


def _numbers(match: str) -> list[str]:
    """Returns the number without what separates its groups, then its pieces between spaces."""
    pieces = [re.sub(r"[^0-9X]", "", piece) for piece in [match.upper(), *match.upper().split(" ")]]
    return list(dict.fromkeys(pieces))


def _luhn(number: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0 and len(set(number)) > 1


_SEARCHES: tuple[tuple[int, str, Mapping[str, Callable[[str], bool]]], ...] = (
    (kernel.AT_SIGN, _EMAIL, {"emails": is_address_of_somebody}),
    (kernel.LONG_NUMBER, _NUMBER, {"phones": is_mobile, "cards": is_card, "resident_ids": is_resident_id}),
    (kernel.ACCOUNT, _IBAN, {"ibans": is_iban}),
    (kernel.ADDRESS, _IP, {"ip_addresses": is_public_ip}),
)
