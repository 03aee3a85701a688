"""Lines are found and taken out as splitting a text would."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arrays.utf8 import as_bytes, as_texts
from tasks.text.lines import lines_of, without_lines

TEXTS = st.lists(st.text(st.sampled_from(list("ab中é \t\n\n")), max_size=30), max_size=5)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_lines_are_those_of_split_and_what_is_taken_out_is_gone_with_its_newline(
    texts: list[str], draw: object
) -> None:
    data, starts = as_bytes(pl.Series(texts, dtype=pl.String))
    lines = lines_of(data, starts)
    found = [data[begin:end].tobytes().decode() for begin, end in zip(lines.begins, lines.ends, strict=True)]
    expected = [(row, line.strip(" \t")) for row, text in enumerate(texts) for line in text.split("\n")]
    expected = [(row, line) for row, line in expected if line]
    assert list(zip(lines.text.tolist(), found, strict=True)) == expected
    for hash_, line in zip(lines.hashes, found, strict=True):
        assert [other == line for other in found] == (lines.hashes == hash_).tolist()

    unwanted = np.array([draw.random() < 0.5 for _ in found], dtype=np.bool_)  # type: ignore[attr-defined]
    kept = as_texts(*without_lines(data, starts, lines, unwanted)).to_list()
    place = iter(unwanted)
    plain = [
        "".join(line for line in text.splitlines(keepends=True) if not line.strip(" \t\n") or not next(place))
        for text in texts
    ]
    assert kept == plain
