"""Why something could not be had, as exceptions inside this package; a `Failure` is what leaves it."""

from __future__ import annotations

import email.utils
import re

DOWN = frozenset(
    (
        "dns",
        "connection",
        "connect_timeout",
        "timeout",
        "tls",
        "host_down",
        "host_asked_to_wait",
        "robots_unreachable",
        "http_401",
        "http_403",
        "http_407",
        "http_408",
        "http_425",
        "http_429",
        "http_500",
        "http_502",
        "http_503",
        "http_504",
    )
)
"""Reasons that say that a host cannot be reached or refuses, not that something is wrong with one address."""

TRY_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
OVERLOADED = frozenset((429, 503))
"""The whole host asks for less, not only for this address."""

GONE = frozenset((404, 410))


class Trouble(Exception):
    """An address could not be had this time.

    Attributes:
        reason: As of `Failure`.
        detail: As of `Failure`.
        again: Another attempt may help.
        host: The whole host is in trouble.
        wait_s: How long it asked to wait.
        gone: As of `Failure`.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        again: bool = False,
        host: bool = False,
        wait_s: float = 0.0,
        gone: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.again = again
        self.host = host
        self.wait_s = wait_s
        self.gone = gone


def retry_after(header: str, wall: float) -> float:
    """Returns the seconds that a `Retry-After` asks for, as a number or a date; 0 if it says nothing."""
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    moment = http_date(text)
    return max(0.0, moment - wall) if moment is not None else 0.0


def http_date(text: str) -> float | None:
    """Returns the seconds since 1970 of a date as HTTP writes it; None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
