"""Prompts are assembled from ids, and the loss is on the reply only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.tokens import ASSISTANT, BOS, END, EOS, RESERVED, USER
from tasks.modeling.prompts import CLASSIFIED_OVERHEAD, PROMPT_OVERHEAD, classified_ids, dialogue_ids, prompt_ids

CONTENT = st.lists(st.integers(RESERVED, RESERVED + 99), max_size=12)


def test_a_prompt_is_roles_around_content() -> None:
    assert prompt_ids([200, 201, 202], max_content=2) == [BOS, USER, 200, 201, END, ASSISTANT]
    assert classified_ids([200, 201, 202], max_content=2) == [BOS, 200, 201, EOS]


@given(content=CONTENT, reply=CONTENT, max_content=st.integers(1, 9), max_reply=st.integers(1, 9))
def test_the_model_learns_to_continue_the_very_prompt_that_is_asked_later(
    content: list[int], reply: list[int], max_content: int, max_reply: int
) -> None:
    inputs, labels = dialogue_ids(content, reply, max_content, max_reply)
    prompt = prompt_ids(content, max_content)
    assert inputs[: len(prompt)] == prompt
    assert len(inputs) == len(labels) <= max_content + max_reply + PROMPT_OVERHEAD
    counted = [place for place, label in enumerate(labels) if label >= 0]
    assert counted[0] == len(prompt) - 1  # the first word of the reply is predicted at the prompt's end
    assert [labels[place] for place in counted] == [*reply[:max_reply], END]
    assert [*inputs, END] == [*prompt, *reply[:max_reply], END]
    assert len(classified_ids(content, max_content)) <= max_content + CLASSIFIED_OVERHEAD
