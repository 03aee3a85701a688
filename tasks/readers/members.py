"""Members of archives: streamed one after the other, never written anywhere, their names only ever shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.readers.encodings import decode
from tasks.readers.faults import MAX_DETAIL, Fault

MAX_NAME_CHARACTERS = 1024

_DRIVE = re.compile(r"[A-Za-z]:")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. Its blocks are read before the next member is asked for, or never."""

    name: str
    blocks: Iterator[bytes]


class Names:
    """Turns the names of an archive's members into locators, and refuses those that are none."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def accept(self, name: str) -> str | Fault:
        """Returns a member's name, relative and "/"-separated; or why the member is not read."""
        shown = _UNPRINTABLE.sub("\ufffd", name)[:MAX_DETAIL]
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if name.startswith(("/", "\\")) or ".." in parts or _DRIVE.match(name):
            return Fault(0, "unsafe_name", "it leads out of the archive", shown)
        whole = "/".join(parts)
        if not whole or len(whole) > MAX_NAME_CHARACTERS or _UNPRINTABLE.search(whole):
            return Fault(0, "unsafe_name", "empty, too long, or with control characters", shown or "(none)")
        digest = hashlib.blake2b(whole.encode(), digest_size=8).digest()
        if digest in self._seen:
            return Fault(0, "repeated_member", "an earlier member has the same name", shown)
        self._seen.add(digest)
        return whole


def name_from_bytes(raw: bytes) -> str:
    """Returns a name that an archive does not say the encoding of; archives made in China are often in GB18030."""
    found = decode(raw)
    return raw.decode("utf-8", "backslashreplace") if isinstance(found, Fault) else found[0]
