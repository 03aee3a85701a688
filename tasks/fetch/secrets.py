"""Credentials: read where a reference leads, at the last moment, and blotted out of whatever leaves the process."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from schemas.config.references import is_reference
from schemas.errors import ConfigError

BLOT = "***"
SHORTEST = 4
"""Shorter values are no secrets, and blotting them out would spoil every message."""

_known: set[str] = set()
_lock = threading.Lock()


def resolve(value: str, where: str) -> str:
    """Returns what a reference (`env:NAME`, `file:PATH`) leads to; any other value is returned as it is.

    Args:
        value: A value of the configuration.
        where: The setting, for messages.

    Raises:
        ConfigError: The variable or file is not there, or empty.
    """
    if not is_reference(value):
        return value
    kind, _, name = value.partition(":")
    if kind == "env":
        found = os.environ.get(name, "")
        hint = f"set the environment variable {name}"
    else:
        hint = f"write the credential into {name}, readable for this user"
        try:
            found = Path(name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{value} cannot be read: {type(error).__name__}", where=where, hint=hint) from None
    if not found:
        raise ConfigError(f"{value} holds nothing", where=where, hint=hint)
    blot_out(found)
    return found


def resolve_all(value: Any, where: str) -> Any:
    """Resolves every reference in a JSON value."""
    if isinstance(value, dict):
        return {name: resolve_all(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [resolve_all(item, where) for item in value]
    return resolve(value, where) if isinstance(value, str) else value


def blot_out_all(value: Any) -> None:
    """Lets `redacted` remove whatever the references in a JSON value lead to, as far as that is there."""
    if isinstance(value, dict):
        for item in value.values():
            blot_out_all(item)
    elif isinstance(value, list):
        for item in value:
            blot_out_all(item)
    elif isinstance(value, str) and is_reference(value):
        with contextlib.suppress(ConfigError):
            resolve(value, "")


def blot_out(secret: str) -> None:
    """Lets `redacted` remove a secret, however it is written, from now on."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms.add(base64.b64encode(secret.encode()).decode())
    with _lock:
        _known.update(form for form in forms if len(form) >= SHORTEST)


def redacted(text: str) -> str:
    """Returns a text without any secret that was resolved in this process."""
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, BLOT)
    return text
