"""Lays out the documentation of the installed packages as the quickstart's corpus and labelled sets.

    python -m deployments.quickstart.harvest [--target DIR] [--wheels DIR]

Real text on every machine, without network and without third-party text in the repository. Source files and syntax
trees are read; no package is imported. The same environment gives the same bytes, wherever the folder lies; when
nothing changed, a second call only compares a stamp.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.quickstart.environment import REQUIREMENTS, Environment, Found, find
from deployments.quickstart.layout import Layout, is_current, locked, replacing, write_stamp
from schemas.errors import BadInputError, ExitCode, NightmillError

TARGET = Path(".nightmill/quickstart")
WHEELS = Path(".nightmill/quickstart-packages")

MINIMUM = {"en": 10_000_000, "zh": 120_000}
"""Fewest characters (Chinese: Han characters) that are worth a run: about two thirds of what is there."""

_SHOWN = 8
"""Names in an error that is one line; the table at the end lists them all."""

NAMES = {"en": "English", "zh": "Chinese"}


def harvest(target: Path, environment: Environment, minimum: Mapping[str, int] = MINIMUM) -> str | None:
    """Lays out the corpus in `target` and returns a table of what it holds; None when it was up to date.

    Raises:
        BadInputError: The named distributions hold too little text of a language.
        ConfigError: `target` holds something that was not written here.
    """
    found = find(environment)
    made_from = _made_from(found, environment, minimum)
    if is_current(target, made_from):
        return None
    with locked(target):
        if is_current(target, made_from):  # another process made it while this one waited
            return None
        from deployments.quickstart import corpus

        found.leave_out_unlicensed()
        with replacing(target) as folder:
            layout = Layout(folder)
            described, pairs = corpus.lay_out_chinese(layout, found)
            _check(layout, found, "zh", minimum["zh"], environment.wheels)  # first: the English sources take long
            corpus.lay_out_files(layout, found, environment)
            labelled = corpus.lay_out_docstrings(layout, found)
            _check(layout, found, "en", minimum["en"], environment.wheels)
            corpus.lay_out_tasks(layout, labelled, described, pairs)
            write_stamp(folder, made_from)
    return table(layout, found)


def table(layout: Layout, found: Found) -> str:
    """Returns the counts by source and language, and the distributions that were left out."""
    lines = [f"{'source':<24}{'language':<10}{'documents':>9}{'MB':>8}{'characters':>12}{'Han':>10}"]
    for (source, language), count in sorted(layout.counts.items()):
        lines.append(
            f"{source:<24}{NAMES[language]:<10}{count.documents:>9,}{count.bytes / 1e6:>8.2f}"
            f"{count.characters:>12,}{count.han:>10,}"
        )
    if found.unlicensed:
        lines.append(f"skipped, no licence stated: {', '.join(found.unlicensed)}")
    if missing := [*found.missing, *found.missing_wheels]:
        lines.append(f"skipped, not installed: {', '.join(missing)}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.quickstart.harvest", description=__doc__)
    parser.add_argument("--target", type=Path, default=TARGET, help=f"folder to lay out (default {TARGET})")
    parser.add_argument("--wheels", type=Path, default=WHEELS, help=f"installed requirements.txt (default {WHEELS})")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        counts = harvest(options.target, Environment.current(options.wheels))
    except NightmillError as error:
        where = f"{error.where}: " if error.where else ""
        sys.stderr.write(f"{where}{error.message}; {error.hint}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{error.filename or options.target}: {error.strerror or error}\n")
        return ExitCode.STAGE_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run it again, nothing half-made was left\n")
        return ExitCode.INTERRUPTED
    sys.stdout.write(f"{counts}\n" if counts else f"{options.target} is up to date\n")
    return ExitCode.DONE


def _check(layout: Layout, found: Found, language: str, fewest: int, wheels: Path) -> None:
    total = layout.totals(language)
    if total >= fewest:
        return
    wanted, missing = "-c constraints.txt -e .", found.missing
    if language == "zh":
        missing = found.missing_wheels
        wanted = f"--upgrade --no-deps --only-binary=:all: --target {wheels} -r {_relative(REQUIREMENTS)}"
    raise BadInputError(
        f"only {total:,} of at least {fewest:,} {NAMES[language]} characters were found"
        + (f"; not installed: {_some(missing)}" if missing else "")
        + (f"; no licence stated: {_some(found.unlicensed)}" if found.unlicensed else ""),
        hint=f"install with: python -m pip install {wanted}",
    )


def _made_from(found: Found, environment: Environment, minimum: Mapping[str, int]) -> dict[str, Any]:
    code = hashlib.sha256()
    for path in sorted([*REQUIREMENTS.parent.glob("*.py"), REQUIREMENTS]):
        code.update(path.read_bytes())
    return {
        "code": code.hexdigest(),
        "distributions": {name: found.read[name].version for name in sorted(found.read)},
        "minimum": dict(minimum),
        "missing": [*found.missing, *found.missing_wheels],
        "python": environment.python,
    }


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
