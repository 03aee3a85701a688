"""Personal data in text: found by form and checksum, and replaced by typed placeholders.

What is replaced, and the traps that are stepped around, stand with each kind in `personal_forms`. A placeholder such as
`<EMAIL>` is plain text to every tokenizer. Nothing that touches a placeholder is replaced, and what ends a candidate
also keeps the next from beginning there: so replacing twice changes nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.arrays.utf8 import I64, U8, as_bytes, as_texts, compiled
from tasks.text import personal_forms as forms
from tasks.text.personal_tables import tables

KINDS = ("email", "phone", "ip", "card", "iban", "resident_id")
"""In the order in which the compiled search numbers them."""

PLACEHOLDERS = ("<EMAIL>", "<PHONE>", "<IP>", "<CARD>", "<IBAN>", "<ID>")


@dataclass(frozen=True, slots=True)
class Found:
    """Where personal data stands, in order.

    Attributes:
        text: int64[found], in which text.
        begins: int64[found], first byte, counted over all texts.
        ends: int64[found], one past the last byte.
        kinds: int64[found], places in `KINDS`.
    """

    text: I64
    begins: I64
    ends: I64
    kinds: I64


def find(data: U8, starts: I64, kinds: Sequence[str], *, public_addresses_only: bool = True) -> Found:
    """Finds personal data of the given kinds in texts given as `as_bytes` gives them; linear in their size."""
    wanted = np.array([kind in kinds for kind in KINDS], dtype=np.bool_)
    spans = forms.search(data, starts, wanted, public_addresses_only, *tables())
    return Found(*(np.ascontiguousarray(column) for column in spans.T))


def replace(
    texts: pl.Series, kinds: Sequence[str], *, public_addresses_only: bool = True
) -> tuple[pl.Series, pl.DataFrame]:
    """Replaces personal data by placeholders.

    Returns:
        The texts, and how many of each kind were replaced in each (a column of int64 for each of `KINDS`).
    """
    data, starts = as_bytes(texts)
    found = find(data, starts, kinds, public_addresses_only=public_addresses_only)
    counts = np.zeros((len(texts), len(KINDS)), dtype=np.int64)
    np.add.at(counts, (found.text, found.kinds), 1)
    counted = pl.DataFrame({kind: counts[:, place] for place, kind in enumerate(KINDS)})
    if not len(found.text):
        return texts, counted
    lengths = np.array([len(name) for name in PLACEHOLDERS], dtype=np.int64)
    names = np.frombuffer("".join(PLACEHOLDERS).encode(), dtype=np.uint8)
    written = _write(data, starts, found.text, found.begins, found.ends, found.kinds, names, lengths)
    return as_texts(*written, name=texts.name), counted


@compiled
def _write(
    data: U8, starts: I64, text: I64, begins: I64, ends: I64, kinds: I64, names: U8, lengths: I64
) -> tuple[U8, I64]:
    size = starts[-1] - starts[0]
    for index in range(len(text)):
        size += lengths[kinds[index]] - (ends[index] - begins[index])
    written = np.empty(size, dtype=np.uint8)
    bounds = np.zeros(len(starts), dtype=np.int64)
    name_starts = np.cumsum(lengths) - lengths
    at = 0
    index = 0
    for number in range(len(starts) - 1):
        place = starts[number]
        while index < len(text) and text[index] == number:
            for source in range(place, begins[index]):
                written[at] = data[source]
                at += 1
            first = name_starts[kinds[index]]
            for source in range(first, first + lengths[kinds[index]]):
                written[at] = names[source]
                at += 1
            place = ends[index]
            index += 1
        for source in range(place, starts[number + 1]):
            written[at] = data[source]
            at += 1
        bounds[number + 1] = at
    return written, bounds
