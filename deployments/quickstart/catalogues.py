"""Reads gettext catalogues (`.po`): English messages, their translations, and where each is used.

The standard library reads only compiled catalogues (`.mo`), which have lost the references that group messages into
documents. The format is small, so sixty lines here stand instead of a dependency; on the quickstart's catalogues they
find what `gettext` finds in the compiled ones.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_FIELDS = ("msgctxt", "msgid", "msgid_plural", "msgstr")


@dataclass(frozen=True, slots=True)
class Message:
    """A translated message.

    Attributes:
        source: The English text; its plural where there is one, as Chinese has one form for both.
        translation: The text in the catalogue's language.
        module: The first file that uses it; empty when the catalogue does not say.
    """

    source: str
    translation: str
    module: str


def read_catalogue(text: str) -> Iterator[Message]:
    """Yields the translated messages in order: no header, nothing fuzzy, obsolete or untranslated.

    Raises:
        ValueError: A line is not of the format; the message names its number.
    """
    fields: dict[str, str] = {}
    module, fuzzy, current = "", False, ""
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        line = raw.strip()
        if fields.get("msgstr") is not None and not line.startswith(('"', "msgstr")):
            if not fuzzy and fields.get("msgid") and fields["msgstr"]:
                yield Message(fields.get("msgid_plural") or fields["msgid"], fields["msgstr"], module)
            fields, module, fuzzy, current = {}, "", False, ""
        if line.startswith("#:"):
            module = module or line[2:].strip().partition(":")[0]
        elif line.startswith("#,"):
            fuzzy = fuzzy or "fuzzy" in line
        elif line.startswith("#") or not line:
            continue
        elif line.startswith('"') and current:
            fields[current] += _unquoted(line, number)
        else:
            keyword, _, quoted = line.partition(" ")
            current = keyword.removesuffix("[0]")
            if current.startswith("msgstr["):  # a further plural form, which Chinese does not have
                current = "other"
            elif current not in _FIELDS:
                raise ValueError(f"line {number} of the catalogue is not understood: {line[:60]}")
            fields[current] = _unquoted(quoted.strip(), number)


def _unquoted(quoted: str, number: int) -> str:
    """The escapes of C that catalogues use are escapes of Python too."""
    try:
        value = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        value = None
    if not isinstance(value, str):
        raise ValueError(f"line {number} of the catalogue is not a quoted text: {quoted[:60]}")
    return value
