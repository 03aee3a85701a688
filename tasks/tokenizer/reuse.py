"""Whether a tokenizer that is there still fits the text.

A model is worth nothing without its very tokenizer, so a lineage of models keeps it from night to night. What it cost
at first, tokens for a word and the share of them that spell bytes, is written into its folder; when the current text
costs much more, somebody has to decide: the stage holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.config.tokenizer import ReuseConfig, TokenizerConfig
from schemas.errors import Held, StageFailed
from tasks.engine.stage import Context, InputFile, StoredFile
from tasks.tokens.encoding import MODEL_FILE

FIT_FILE = "tokenizer_fit.json"
"""With which settings a tokenizer was trained, and how well it fitted its text; lies in its folder."""

FIT_FORMAT = 1

Fit = Mapping[str, Any]
"""What `tasks.tokenizer.measure.measure` returns for one language."""


@dataclass(frozen=True, slots=True)
class Known:
    """A tokenizer that is there.

    Attributes:
        files: Of its folder.
        settings: With which it was trained.
        languages: How well it fitted each language then.
    """

    files: list[InputFile]
    settings: dict[str, Any]
    languages: dict[str, Fit]

    @property
    def model(self) -> Path:
        """The SentencePiece model."""
        return _named(self.files, MODEL_FILE).path


def known_tokenizer(context: Context) -> Known | None:
    """Returns the tokenizer to go on with, or None if one is to be trained.

    Raises:
        StageFailed: The one that is referred to states no fit to compare with.
    """
    config: TokenizerConfig = context.config
    if config.mode == "train":
        return None
    if config.reuse.reference:
        return _read([context.stored_file(StoredFile(**file)) for file in context.look])
    if context.predecessor is None:
        return None
    known = _read(list(context.predecessor["tokenizer"].files))
    changed = [name for name, value in config.training().items() if known.settings.get(name) != value]
    if changed:
        context.warn(
            f"{', '.join(f'tokenizer.{name}' for name in changed)} changed: a new tokenizer was trained, and models"
            " that went by the old one cannot go on from here"
        )
        return None
    return known


def write_fit(path: Path, settings: Mapping[str, Any], languages: Mapping[str, Fit]) -> None:
    """Writes `FIT_FILE`."""
    content = {"format": FIT_FORMAT, "settings": settings, "languages": languages}
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


def hold_if_outgrown(now: Mapping[str, Fit], known: Known, limits: ReuseConfig) -> None:
    """Compares how well a tokenizer fits the current text with how well it fitted its own.

    Raises:
        Held: A limit is crossed.
    """
    crossed = outgrown(now, known.languages, limits)
    if crossed:
        raise Held(
            "the tokenizer fits the text no longer",
            where="tokenizer",
            details=crossed,
            hint="`--set tokenizer.mode=train` trains a new one in one run, and a new lineage of models begins with it;"
            " to keep this one, raise tokenizer.reuse.max_fertility_growth or .max_byte_fallback_growth",
        )


def outgrown(now: Mapping[str, Fit], then: Mapping[str, Fit], limits: ReuseConfig) -> list[str]:
    """Returns a sentence for each limit that is crossed.

    A language without text counts for nothing now. One without text then had no byte fallback and no fertility: it is
    judged by its byte fallback alone.
    """
    found = []
    for language, fit in sorted(now.items()):
        if not fit["tokens"]:
            continue
        before = then.get(language, {})
        fertility = before.get("fertility")
        if fertility and fit["fertility"] > fertility * (1 + limits.max_fertility_growth):
            found.append(_told(language, "fertility", fertility, fit["fertility"], limits.max_fertility_growth))
        share, spelt = before.get("byte_fallback_share") or 0.0, fit["byte_fallback_share"]
        highest = max(share * (1 + limits.max_byte_fallback_growth), limits.min_byte_fallback_share)
        if spelt > highest:
            found.append(_told(language, "byte fallback share", share, spelt, limits.max_byte_fallback_growth))
    return found


def _told(language: str, what: str, then: float, now: float, limit: float) -> str:
    growth = f"{100 * (now / then - 1):+.1f} %" if then else "from nothing"
    return f"{language}: {what} {now} against {then} when it was trained ({growth}, the limit is {100 * limit:+g} %)"


def _read(files: list[InputFile]) -> Known:
    fit = json.loads(_named(files, FIT_FILE).path.read_bytes())
    if fit.get("format") != FIT_FORMAT:
        raise StageFailed(
            f"{FIT_FILE} has format {fit.get('format')}; this Nightmill reads format {FIT_FORMAT}",
            where="tokenizer",
            hint="`--set tokenizer.mode=train` trains a new tokenizer",
        )
    return Known(files, fit["settings"], fit["languages"])


def _named(files: list[InputFile], name: str) -> InputFile:
    for file in files:
        if file.stored.name == name:
            return file
    raise StageFailed(
        f"the tokenizer to go on with has no {name}",
        where="tokenizer",
        hint="an earlier version of Nightmill built it: `--set tokenizer.mode=train` trains a new one",
    )
