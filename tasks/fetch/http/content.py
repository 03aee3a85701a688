"""What an answer holds, told from its `Content-Type` and its address's suffix."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.config.formats import FileFormat
from tasks.readers.formats import format_of

_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)


def media_type(header: str) -> str:
    """Returns `text/html` of `Text/HTML; charset=…`."""
    return header.partition(";")[0].strip().lower()[:100]


def declared_charset(header: str) -> str | None:
    """Returns the charset that a `Content-Type` declares, in small letters."""
    found = _CHARSET.search(header)
    return found.group(1).lower() if found else None


def format_for(media: str, url_path: str, taken: Mapping[str, str]) -> FileFormat | str | None:
    """Returns what an answer holds; None if it is not among what is taken, or nothing says what it is.

    Args:
        media: As `media_type` returns it; empty if the server said nothing.
        url_path: The path of the address, whose suffix decides where the type says little.
        taken: The setting `content_types`.
    """
    by_suffix = format_of(url_path.rpartition("/")[2])
    by_type = taken.get(media or "application/octet-stream")
    if by_type == "auto":
        return by_suffix
    if by_type == "text" and media == "text/plain":
        return by_suffix or by_type
    return by_type
