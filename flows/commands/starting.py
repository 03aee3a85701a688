"""init and version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import print_line
from schemas.errors import ConfigError

TEMPLATE = Path(__file__).parent.parent / "templates" / "pipeline.yaml"


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    app.command()(init)
    app.command()(version)


def init(
    directory: Annotated[Path, typer.Argument(help="A new or existing folder.", show_default=False)],
    data: Annotated[Path | None, typer.Option(help="The folder your texts are in; DIRECTORY/data by default.")] = None,
) -> int:
    """Write a commented configuration for your own data.

    Example: nightmill init my-model --data ~/texts
    """
    target = directory / "pipeline.yaml"
    if target.exists():
        raise ConfigError("exists already", where=str(target), hint="choose another folder, or remove it")
    if directory.exists() and not directory.is_dir():
        raise ConfigError("is no folder", where=str(directory))
    if data is not None and not data.exists():
        raise ConfigError("does not exist", where=str(data), hint="name the folder your texts are in")
    directory.mkdir(parents=True, exist_ok=True)
    if data is None:
        (directory / "data").mkdir(exist_ok=True)
    import yaml

    place = "data" if data is None else str(data.resolve())
    name = "".join(
        letter if letter.isalnum() and letter.isascii() else "-" for letter in directory.resolve().name.lower()
    )
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("NAME", _pipeline_name(name)).replace("DATA", yaml.safe_dump(place).split("\n")[0])
    target.write_text(text, encoding="utf-8")
    where = directory / "data" if data is None else data
    print_line(f"wrote {target}; put your texts into {where}" if data is None else f"wrote {target} for {where}")
    print_line(f"next: nightmill plan {target}, then nightmill run {target}")
    return 0


def version() -> int:
    """Print the version.

    Example: nightmill version
    """
    from importlib.metadata import version as installed

    print_line(installed("nightmill"))
    return 0


def _pipeline_name(name: str) -> str:
    name = name.strip("-")[:40]
    return name if name[:1].isalpha() else f"model-{name}".strip("-")[:40]
