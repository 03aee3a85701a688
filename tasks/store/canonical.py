"""Canonical JSON and the digests made from it.

Two processes with other hash seeds, in other folders, on other days, must write the same bytes for the same value. So
only values with one stable form are accepted: no floats that are not finite, no keys but strings, no objects, and in
keys no absolute path.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

KEY_LENGTH = 64


def canonical_json(value: Any) -> bytes:
    """Returns the one UTF-8 form of a JSON value, with sorted keys and no spaces.

    Raises:
        TypeError: The value holds something that has no stable form.
    """
    _check(value, "$")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_json(value: Any) -> str:
    """Returns the sha256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def digest_key(value: Any) -> str:
    """Returns the digest of a value that identifies work; such a value must not name a place on one machine.

    Raises:
        TypeError: The value has no stable form, or holds an absolute path.
    """
    _refuse_absolute_paths(value, "$")
    return digest_json(value)


def _check(value: Any, where: str) -> None:
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return
    if type(value) is float:
        if not math.isfinite(value):
            raise TypeError(f"{where}: {value} has no JSON form")
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{where}: the key {key!r} is no string")
            _check(item, f"{where}.{key}")
    elif type(value) in (list, tuple):
        for number, item in enumerate(value):
            _check(item, f"{where}[{number}]")
    else:
        raise TypeError(f"{where}: a {type(value).__name__} has no stable form")


def _refuse_absolute_paths(value: Any, where: str) -> None:
    if isinstance(value, str):
        if value.startswith("/") and len(value) > 1:
            raise TypeError(f"{where}: {value!r} looks like an absolute path, which must not enter a key")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_absolute_paths(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            _refuse_absolute_paths(item, f"{where}[{number}]")
