"""Dialogues packed into rows keep their ids, labels and positions, each once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.tokens import IGNORED_LABEL
from tasks.finetune.generation import pack

WIDTH = 16


@given(lengths=st.lists(st.integers(1, WIDTH), min_size=1, max_size=12))
def test_every_dialogue_is_found_once_from_a_position_of_0(lengths: list[int]) -> None:
    dialogues = [
        ([100 * number + place for place in range(length)], [100 * number + place + 1 for place in range(length)])
        for number, length in enumerate(lengths, start=1)
    ]
    batch = pack(dialogues, WIDTH)
    assert batch["input_ids"].shape[1] <= WIDTH
    found = []
    for ids, labels, positions in zip(
        batch["input_ids"].tolist(), batch["labels"].tolist(), batch["position_ids"].tolist(), strict=True
    ):
        starts = [place for place, position in enumerate(positions) if position == 0]
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
            assert positions[start:stop] == list(range(stop - start))
            if labels[start] != IGNORED_LABEL:
                found.append((ids[start:stop], labels[start:stop]))
            else:  # padding
                assert set(ids[start:stop]) == {0} and set(labels[start:stop]) == {IGNORED_LABEL}
    assert sorted(found) == sorted(dialogues)


def test_short_dialogues_share_rows() -> None:
    dialogues = [([1] * length, [1] * length) for length in (7, 9, 8, 8)]
    assert pack(dialogues, WIDTH)["input_ids"].shape == (2, WIDTH)
