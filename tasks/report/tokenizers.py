"""How well the tokenizer fits each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.manifest import Manifest
from tasks.report.bounds import Bounds, cut
from tasks.report.figures import number
from tasks.report.quantities import decimal, percent


@dataclass(frozen=True, slots=True)
class Language:
    """One language's figures, each as (now, when the tokenizer was trained); the latter is empty for a new one."""

    name: str
    fertility: tuple[str, str]
    bytes_per_token: tuple[str, str]
    byte_fallback_share: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """What the report says of a tokenizer."""

    kind: str
    pieces: float | None
    reused: bool
    languages: list[Language]


def tokenizer(manifests: Mapping[str, Manifest], bounds: Bounds) -> Tokenizer | None:
    """Returns how well the run's tokenizer fits, None without one or where its metrics have another form."""
    manifest = manifests.get("tokenizer")
    found = manifest.metrics.get("languages") if manifest is not None else None
    if manifest is None or not isinstance(found, Mapping):
        return None
    before = manifest.metrics.get("when_trained")
    before = before if isinstance(before, Mapping) else {}
    languages = [
        Language(
            cut(str(name), bounds.text),
            _both(fit, before.get(name), "fertility"),
            _both(fit, before.get(name), "bytes_per_token"),
            _both(fit, before.get(name), "byte_fallback_share"),
        )
        for name, fit in sorted(found.items())[: bounds.lines]
    ]
    kind = {"bpe": "BPE", "unigram": "Unigram"}.get(str(manifest.metrics.get("kind")), "SentencePiece")
    pieces, reused = number(manifest.metrics.get("vocabulary")), manifest.metrics.get("reused") is True
    return Tokenizer(kind, pieces, reused, languages)


def _both(now: Any, then: Any, name: str) -> tuple[str, str]:
    return _shown(now, name) or "–", _shown(then, name)


def _shown(fit: Any, name: str) -> str:
    value = number(fit.get(name)) if isinstance(fit, Mapping) else None
    if value is None:
        return ""
    return percent(value) if name.endswith("share") else decimal(value)
