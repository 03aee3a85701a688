"""How a conversation becomes ids: the one place that places control ids.

A text that reads `<assistant>` must never become the control id (whoever wrote it would then speak for the model), so
prompts are never assembled as text. Content is encoded by an encoder that knows no control ids; roles are put around it
by id:

    <s> <user> content <end> <assistant>    →    reply <end>

Content is cut to a number of tokens per field before, so that no role is ever cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas.tokens import ASSISTANT, BOS, END, EOS, IGNORED_LABEL, USER

Encode = Callable[[str], Sequence[int]]
"""Encodes content: ids of the text alone, never a reserved id below `schemas.tokens.RESERVED` but `UNK`."""

PROMPT_OVERHEAD = 4
"""Control ids of a prompt."""

CLASSIFIED_OVERHEAD = 2
"""Control ids of a text to be classified."""

STOP = (END, EOS)
"""Ids that end a reply."""


def prompt_ids(content: Sequence[int], max_content: int) -> list[int]:
    """Returns the ids that ask for a reply to some content, cut to `max_content` tokens."""
    return [BOS, USER, *content[:max_content], END, ASSISTANT]


def dialogue_ids(
    content: Sequence[int], reply: Sequence[int], max_content: int, max_reply: int
) -> tuple[list[int], list[int]]:
    """Returns input ids and labels of one example: the loss is on the reply and its end only.

    Labels are shifted: `labels[i]` is the id after `input_ids[i]`.
    """
    prompt = prompt_ids(content, max_content)
    answer = [*reply[:max_reply], END]
    ids = [*prompt, *answer]
    labels = [IGNORED_LABEL] * (len(prompt) - 1) + answer
    return ids[:-1], labels


def classified_ids(content: Sequence[int], max_content: int) -> list[int]:
    """Returns the ids of a text to be classified; its last, `</s>`, is where a classifier reads."""
    return [BOS, *content[:max_content], EOS]
