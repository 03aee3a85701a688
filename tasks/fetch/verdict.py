"""Whether what is remembered of a remote source may be used. Part of every plan.

A source is *due* when nothing whole is remembered of it, or its last look did not end, or it was down and the policy
says to hold: a run looks at due sources by itself, at all others with `--refresh`. So a plan can only say that it
depends; once a run has looked, the same question has an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.config.source import RemoteSource
from tasks.engine.stage import Sight
from tasks.fetch.record import Attempt, Seen, read_attempt, read_seen, record_key

DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done with a source. At most one of `due` and `held` is set.

    Attributes:
        seen: What it held, if that may be used.
        due: Why a run must look at it first.
        held: Why nothing may be done before it is back.
        hint: What to do about that.
        warning: What is to be said although it is used.
    """

    seen: Seen | None = None
    due: str = ""
    held: str = ""
    hint: str = ""
    warning: str = ""


def judge(name: str, source: RemoteSource, sight: Sight) -> Verdict:
    """Says what may be done with what is remembered of a source; one that was looked at just now is never due."""
    key = record_key(source)
    seen, attempt = read_seen(sight.record, key), read_attempt(sight.record, key)
    lost = 0 if seen is None else sum(not sight.holds(item.sha256, item.size) for item in seen.items)
    fault = _fault(name, source, seen, attempt, lost)
    if not fault:
        down = attempt is not None and attempt.outcome == "down"
        return Verdict(seen, warning=_proceeding(name, seen, attempt) if down and seen and attempt else "")
    if not sight.has_looked(key):
        return Verdict(due=fault)
    return Verdict(
        held=fault,
        hint="what was fetched is kept: run again when the source is back, with --refresh; or let `when_down: proceed`"
        " go on with what it held last",
    )


def _fault(name: str, source: RemoteSource, seen: Seen | None, attempt: Attempt | None, lost: int) -> str:
    """Why what is remembered cannot be used as it is; empty if it can."""
    if attempt is None or (seen is None and attempt.outcome == "done"):
        return f"the source {name!r} was never looked at"
    if attempt.outcome == "begun":
        return f"the last look at the source {name!r} did not end"
    if attempt.outcome == "down":
        down = f"the source {name!r} is down ({_why(attempt)})"
        if seen is None:
            return f"{down}, and was never looked at before"
        if source.when_down == "hold":
            return f"{down}; it was last looked at on {seen.looked_at[:10]}"
        if _age_days(seen, attempt) > source.max_staleness_days:
            return (
                f"{down}, and what it held {_age_days(seen, attempt):.1f} days ago is older than"
                f" `max_staleness_days` ({source.max_staleness_days:g})"
            )
    return f"{lost} files of the source {name!r} are gone from the store" if lost else ""


def _proceeding(name: str, seen: Seen, attempt: Attempt) -> str:
    return (
        f"the source {name!r} is down ({_why(attempt)}): what it held {_age_days(seen, attempt):.1f} days ago"
        f" ({seen.looked_at[:10]}) is used"
    )


def _why(attempt: Attempt) -> str:
    return f"{attempt.reason}: {attempt.detail}" if attempt.detail else attempt.reason


def _age_days(seen: Seen, attempt: Attempt) -> float:
    """How old what is remembered was when the source was last asked for: looking at the clock would change plans."""
    elapsed = datetime.fromisoformat(attempt.at) - datetime.fromisoformat(seen.looked_at)
    return max(0.0, elapsed.total_seconds() / DAY_S)
