"""How numbers are written for people."""

from __future__ import annotations

from datetime import datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def count(value: float | None) -> str:
    """Returns a whole number with thousands set apart; a dash for None."""
    return "–" if value is None else f"{value:,.0f}"


def size(value: float) -> str:
    """Returns bytes in the unit that keeps the number below 1024; a dash for 0, which means unknown."""
    if value <= 0:
        return "–"
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Returns seconds as `0.4 s`, `12 s`, `3 min 05 s` or `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"


def percent(share: float) -> str:
    """Returns a share as per cent, with a decimal where it is small."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %"


def decimal(value: float) -> str:
    """Returns a score with about four significant digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def between(started: str, finished: str) -> float | None:
    """Returns the seconds between two ISO times; None where one of them is missing or is none."""
    try:
        return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
    except (TypeError, ValueError):
        return None


def moment(iso: str) -> str:
    """Returns an ISO time as `2026-11-22 06:00 UTC`; what is none as it stands."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    zone = time.tzname() or ""
    return f"{time:%Y-%m-%d %H:%M} {zone}".strip()
