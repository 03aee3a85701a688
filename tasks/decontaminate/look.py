"""Which files hold the evaluation sets that the settings name right now. Part of every plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.config.decontaminate import DecontaminateConfig, EvaluationConfig
from schemas.errors import ConfigError
from tasks.engine.stage import Look, StatCache
from tasks.readers.formats import format_of


def look(config: DecontaminateConfig, stat_cache: StatCache) -> Look:
    """Lists the files of each set: `identity` and `detail` are {set: [[name, sha256, format], …]}, sorted by name.

    Raises:
        ConfigError: A set is not there, or has no file with records.
    """
    found = {name: _files(name, evaluation, stat_cache) for name, evaluation in sorted(config.evaluations.items())}
    return Look(found, found)


def file_path(evaluation: EvaluationConfig, name: str) -> Path:
    """Returns where a file of a set lies."""
    return evaluation.path / name if evaluation.path.is_dir() else evaluation.path


def _files(name: str, evaluation: EvaluationConfig, stat_cache: StatCache) -> list[list[Any]]:
    where = f"decontaminate.evaluations.{name}.path"
    path = evaluation.path
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    elif path.is_file():
        names = [path.name]
    else:
        raise ConfigError(
            f"{path} is not there", where=where, hint="name a file or a folder, relative to the configuration file"
        )
    rows = []
    for file in names:
        format = evaluation.format if evaluation.format != "auto" else format_of(file)
        if format in ("jsonl", "parquet"):
            try:
                rows.append([file, stat_cache.digest(file_path(evaluation, file)), format])
            except OSError as error:
                raise ConfigError(
                    f"{file} cannot be read: {error.strerror}", where=where, hint="check its permissions"
                ) from None
    if not rows:
        raise ConfigError(
            f"{path} holds no records", where=where, hint="use .jsonl, .jsonl.gz or .parquet files, or set `format`"
        )
    return rows
