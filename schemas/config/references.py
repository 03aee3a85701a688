"""References to secrets: a configuration names where a credential is kept, it never holds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$", re.DOTALL)
_SECRET_WORDS = re.compile(r"secret|passw|pwd|token|credential|signature|^key$|api_?key|access_?key|account_?key|^sas")


class LiteralSecret(ValueError):
    """A value that holds a credential itself: it must not be shown."""


def is_reference(value: str) -> bool:
    """Tells whether a value is `env:NAME` or `file:PATH`."""
    return _REFERENCE.match(value) is not None and not value.startswith("file://")


def place_reference(value: str, place: Callable[[Path], Path]) -> str:
    """Makes the path of a `file:` reference absolute; every other value stays."""
    if value.startswith("file:") and is_reference(value):
        return f"file:{place(Path(value.removeprefix('file:')))}"
    return value


def names_secret(name: str) -> bool:
    """Tells whether a setting of that name holds a credential."""
    return _SECRET_WORDS.search(name.lower()) is not None


def holds_secret(url: str) -> bool:
    """Tells whether a parameter of a URL's query holds a credential."""
    parameters = url.partition("?")[2].split("&")
    return any(names_secret(parameter.partition("=")[0]) for parameter in parameters if "=" in parameter)


def without_secrets(value: Any) -> Any:
    """Returns a JSON value without the settings that hold credentials: how to get in is not what is there."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if not names_secret(name)}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value
