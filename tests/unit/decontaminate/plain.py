"""Decontamination as plain Python does it, document by document, for comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.decontaminate.cutting import Remainder, Span, cut, merge, widen

Gram = tuple[str, ...]


@dataclass(frozen=True)
class Token:
    text: str
    begin: int
    end: int
    gap: str
    """What stands between the token before and this one."""


def is_single(character: str) -> bool:
    point = ord(character)
    return (
        0x3005 <= point <= 0x3007
        or 0x3041 <= point <= 0x30FF
        or 0x3105 <= point <= 0x312F
        or 0x31F0 <= point <= 0x31FF
        or 0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF
        or 0xFF66 <= point <= 0xFF9D
        or 0x20000 <= point < 0x40000
    )


def tokens(text: str) -> list[Token]:
    found: list[Token] = []
    place = 0
    finish = 0
    while place < len(text):
        if not (text[place].isalnum() or 0x20000 <= ord(text[place]) < 0x40000):
            place += 1
            continue
        end = place + 1
        if not is_single(text[place]):
            while end < len(text) and text[end].isalnum() and not is_single(text[end]):
                end += 1
        folded = "".join(one.lower() if len(one.lower()) == 1 else one for one in text[place:end])
        found.append(Token(folded, place, end, text[finish:place]))
        place = finish = end
    return found


def begins(found: Sequence[Token], number: int) -> bool:
    gap = found[number].gap
    return (
        number == 0
        or any(one in "\n\r\v\f\x85\u2028\u2029。！？；…｡" for one in gap)
        or (any(one in ".!?" for one in gap) and any(one.isspace() for one in gap))
    )


def of_evaluation(text: str, length: int, least: int) -> list[Gram]:
    found = [token.text for token in tokens(text)]
    if len(found) < length:
        return [tuple(found)] if len(found) >= least else []
    return [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]


def of_training(text: str, length: int, least: int) -> list[tuple[Gram, int, int]]:
    """Returns n-grams with their first token and one past the last."""
    found = tokens(text)
    words = [token.text for token in found]
    grams = [(tuple(words[start : start + length]), start, start + length) for start in range(len(found) - length + 1)]
    for start in range(len(found)):
        for end in range(start + least, min(start + length - 1, len(found)) + 1):
            if begins(found, start) and (end == len(found) or begins(found, end)):
                grams.append((tuple(words[start:end]), start, end))
    return grams


def decontaminate(
    training: Mapping[str, str],
    evaluation: Sequence[str],
    answers: Sequence[str] = (),
    *,
    length: int = 13,
    least: int = 8,
    max_share: float = 0.2,
    boilerplate: int = 10,
) -> dict[str, str | None]:
    """Returns the documents that are altered: their new texts, or None for those that are dropped."""
    in_answers = {gram for text in answers for gram in of_evaluation(text, length, least)}
    wanted = {gram for text in evaluation for gram in of_evaluation(text, length, least)} | in_answers
    documents = Counter(
        gram for text in training.values() for gram in {gram for gram, _, _ in of_training(text, length, least)}
    )
    wanted -= {gram for gram, count in documents.items() if count > boilerplate and gram not in in_answers}
    altered: dict[str, str | None] = {}
    for name, text in training.items():
        total = len(tokens(text))
        hit = 0
        spans: list[Span] = []
        left = Remainder(text, [(0, 0)])
        while True:
            found = tokens(left.text)
            places = [place for place in of_training(left.text, length, least) if place[0] in wanted]
            if not places:
                break
            hit += len({number for _, begin, end in places for number in range(begin, end)})
            for _, begin, end in places:
                original = left.original(found[begin].begin), left.original(found[end - 1].end - 1) + 1
                spans.append(widen(text, original))
            spans = merge(spans)
            left = cut(text, spans)
        if hit:
            goes = hit / total > max_share or len(tokens(left.text)) < max(1, total / 2)
            altered[name] = None if goes else left.text
    return altered
