"""Every file below a folder, once, whatever links lead where. Runs at every plan, so it asks the system for little."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import ConfigError


@dataclass(slots=True)
class Walk:
    """What lies below a folder.

    Attributes:
        files: Relative "/"-separated paths, sorted; among them links that lead nowhere.
        outside: Links that lead out of the folder and were not followed, sorted; those to folders end with `/`.
        skipped: What was left out and why, sorted, for people.
    """

    files: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def walk(root: Path, *, follow_links: bool = False) -> Walk:
    """Lists the files below a folder.

    Links inside the folder are followed, links that lead out of it only if `follow_links` says so. A real folder is
    entered once, by its own path if it lies below `root`, else by the first link in sorted order: so loops end, and no
    document is seen twice. Hidden files and folders are left out.

    Raises:
        ConfigError: A folder cannot be read.
    """
    found = Walk()
    inside = None if follow_links else os.path.join(os.path.realpath(root), "")  # noqa: PTH118
    entered: dict[tuple[int, int], str] = {}
    folders = [""]
    links: list[str] = []
    while folders or links:
        # Links wait until all real folders have been entered by their own paths.
        prefix = folders.pop() if folders else heapq.heappop(links)
        place = os.path.join(root, prefix)  # noqa: PTH118 (ten thousand Path objects cost more than the walk)
        try:
            status = os.stat(place)  # noqa: PTH116
            same = entered.setdefault((status.st_dev, status.st_ino), prefix)
            if same != prefix:
                found.skipped.append(f"{prefix}: the same folder as {same or 'the whole source'}, read once")
                continue
            with os.scandir(place) as entries:
                _sort_in(found, entries, f"{prefix}/" if prefix else "", folders, links, inside)
        except OSError as error:
            raise ConfigError(
                f"the folder cannot be read: {error.strerror}", where=place, hint="check its permissions"
            ) from None
    found.files.sort()
    found.outside.sort()
    found.skipped.sort()
    return found


def _sort_in(
    found: Walk,
    entries: Iterable[os.DirEntry[str]],
    prefix: str,
    folders: list[str],
    links: list[str],
    inside: str | None,
) -> None:
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = prefix + entry.name
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(path).decode("utf-8", "backslashreplace")
                found.skipped.append(f"{shown}: its name is not UTF-8, rename it to have it read")
                continue
        if entry.is_dir(follow_symlinks=False):
            folders.append(path)
        elif inside is not None and entry.is_symlink() and not _leads_inside(entry.path, inside):
            found.outside.append(f"{path}/" if entry.is_dir() else path)
        elif entry.is_symlink() and entry.is_dir():
            heapq.heappush(links, path)
        elif entry.is_file() or entry.is_symlink():
            found.files.append(path)


def _leads_inside(link: str, inside: str) -> bool:
    """Tells whether a link ends below a folder, or at the folder itself, wherever it passes through."""
    return os.path.join(os.path.realpath(link), "").startswith(inside)  # noqa: PTH118
