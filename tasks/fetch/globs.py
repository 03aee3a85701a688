"""Patterns of relative paths, the same for folders and buckets. Part of every plan."""

from __future__ import annotations

import fnmatch


def matches(path: str, glob: str) -> bool:
    """Tells whether a relative path matches a pattern; `**` stands for any number of folders."""
    return glob == "**/*" or _match(path.split("/"), glob.split("/"))


def is_hidden(path: str) -> bool:
    """Tells whether a file, or a folder it lies in, has a name that begins with a dot."""
    return path.startswith(".") or "/." in path


def _match(parts: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        if len(patterns) == 1:
            return bool(parts)
        return any(_match(parts[start:], patterns[1:]) for start in range(len(parts)))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and _match(parts[1:], patterns[1:])
