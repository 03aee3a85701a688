"""Arguments and options that several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Config = Annotated[Path, typer.Argument(help="The configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StorePath = Annotated[
    Path, typer.Option("--store", envvar="NIGHTMILL_STORE", help="The store's folder.", show_default=True)
]
DEFAULT_STORE = Path(".nightmill/store")
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a value of the configuration: --set pretrain.steps=100", show_default=False),
]
Date = Annotated[str | None, typer.Option(help="Nominal date, like 2026-11-22; today in UTC by default.")]
Force = Annotated[
    list[str] | None, typer.Option("--force", help="Build this stage even if it is cached or held.", show_default=False)
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Look at all remote sources anew; folders always are.")]
First = Annotated[str | None, typer.Option("--from", help="Run this stage and what follows it.")]
Last = Annotated[str | None, typer.Option("--until", help="Run what leads to this stage, and it.")]
Only = Annotated[str | None, typer.Option("--only", help="Run this stage alone.")]


def typed_command() -> str:
    """Returns what the user typed, for records; only the program's own name is shortened."""
    return " ".join(["nightmill", *sys.argv[1:]])


def print_json(value: Any) -> None:
    """Prints a value as JSON on standard output."""
    import json

    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def print_line(text: str = "") -> None:
    """Prints a line on standard output."""
    sys.stdout.write(text + "\n")
