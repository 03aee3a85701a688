"""Chinese wikis write what differs between variants as `-{zh-hans:网络;zh-hant:網路}-`."""

from __future__ import annotations

import re

_SIMPLIFIED = ("zh-hans", "zh-cn", "zh-sg", "zh-my")
_TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")
_RULE = re.compile(r"(?:\A|;)\s*(?:[^;:=<>]{0,200}=>)?\s*(zh(?:-[a-z]{2,4})?)\s*:")
_FLAGS = re.compile(r"[A-Za-z;\s-]{0,40}\Z")
_SILENT = frozenset("THD-")
"""Flags of rules that show nothing where they stand: of titles, hidden, described, removed."""


def resolve_variant(content: str, variant: str) -> str:
    """Returns the text of a conversion rule in a variant, or in the nearest one that it has."""
    flags, bar, body = content.partition("|")
    if bar and _FLAGS.match(flags):
        if not _SILENT.isdisjoint(flags.strip().split(";")):
            return ""
        if flags.strip() == "R":
            return body
    else:
        body = content
    rules = list(_RULE.finditer(body))
    if not rules:
        return body
    ends = [rule.start() for rule in rules[1:]] + [len(body)]
    texts = {rule[1]: body[rule.end() : end].strip(" ;\n") for rule, end in zip(rules, ends, strict=True)}
    for name in _nearest(variant):
        if name in texts:
            return texts[name]
    return next(iter(texts.values()))


def _nearest(variant: str) -> tuple[str, ...]:
    own, other = (_TRADITIONAL, _SIMPLIFIED) if variant in _TRADITIONAL else (_SIMPLIFIED, _TRADITIONAL)
    return (variant, *own, "zh", *other)
