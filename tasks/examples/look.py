"""Which files hold the labelled set right now. Part of every plan."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from schemas.config.examples import ExamplesConfig
from schemas.errors import ConfigError
from tasks.engine.stage import Look, StatCache
from tasks.readers.formats import format_of

RECORDS = ("jsonl", "parquet")


def look(config: ExamplesConfig, stat_cache: StatCache) -> Look:
    """Lists the files: `identity` and `detail` are rows of [name, sha256, format] sorted by name.

    Raises:
        ConfigError: There is no such file, or none with records.
    """
    path = config.path
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        folder = path
    elif path.is_file():
        names, folder = [path.name], path.parent
    else:
        raise ConfigError(
            "the labelled set is not there",
            where=str(path),
            hint="set `path` to a file or a folder; it is relative to the configuration file",
        )
    rows = []
    for name in names:
        format = _format(config, name)
        if format is not None:
            rows.append([name, _digest(folder / name, stat_cache), format])
    if not rows:
        raise ConfigError(
            "no file with examples", where=str(path), hint="use .jsonl, .jsonl.gz or .parquet files, or set `format`"
        )
    return Look(rows, rows)


def _format(config: ExamplesConfig, name: str) -> Literal["jsonl", "parquet"] | None:
    if config.format != "auto":
        return config.format
    found = format_of(name)
    return found if found == "jsonl" or found == "parquet" else None


def _digest(path: Path, stat_cache: StatCache) -> str:
    try:
        return stat_cache.digest(path)
    except OSError as error:
        raise ConfigError(
            f"the file cannot be read: {error.strerror}", where=str(path), hint="check its permissions"
        ) from None
