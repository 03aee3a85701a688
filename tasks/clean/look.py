"""The word lists of the user's, as a plan sees them: their content counts, their place does not."""

from __future__ import annotations

import hashlib
from typing import Any

from schemas.config.clean import CleanConfig
from schemas.errors import ConfigError, StageFailed
from tasks.engine.stage import Context, Look, StatCache


def look(config: CleanConfig, stat_cache: StatCache) -> Look:
    """Digests the word lists.

    Raises:
        ConfigError: A list is not there.
    """
    detail: dict[str, Any] = {}
    for name, given in sorted(config.word_lists.items()):
        try:
            detail[name] = [stat_cache.digest(given.path), str(given.path)]
        except OSError as error:
            raise ConfigError(
                f"the word list {name!r} cannot be read: {error.strerror}",
                where=str(given.path),
                hint=f"set `clean.word_lists.{name}.path` to a text file; it is relative to the configuration file",
            ) from None
    return Look({name: digest for name, (digest, _) in detail.items()}, detail)


def checked_word_lists(context: Context) -> dict[str, tuple[str, str]]:
    """Copies the lists that the plan saw to where parts find them; returns (digest, path) by name.

    Raises:
        StageFailed: A list was changed since, or is no text.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, (digest, place) in (context.look or {}).items():
        where = f"clean.word_lists.{name}"
        try:
            content = context.config.word_lists[name].path.read_bytes()
            content.decode("utf-8")
        except OSError as error:
            raise StageFailed(f"{place} cannot be read: {error.strerror}", where=where) from None
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise StageFailed(
                f"line {line} of {place} is no UTF-8", where=where, hint="save the list in UTF-8"
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise StageFailed(f"{place} was changed during the run", where=where, hint="run again")
        copy = context.folder / f"words-{name}.txt"
        copy.write_bytes(content)
        found[name] = (digest, str(copy))
    return found
