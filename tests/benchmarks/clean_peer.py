"""datatrove's filters and its PII formatter over documents given line by line; runs in .venv-peers.

Reads JSON lists of [text, language] on stdin and answers each with {"cpu_s": …, "verdicts": [{filter: reason}, …]},
reasons empty for what passes. Every filter sees every document as it came. Afterwards, off the clock, the filters that
count words judge again with words made as nightmill makes them (`same_words.…`): what then still differs is not a
matter of tokenisation.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.formatters import PIIFormatter

COUNT_WORDS = (gopher_repetition_filter, gopher_quality_filter, fineweb_quality_filter)
LANGUAGES = {"en": "eng", "zh": "zho"}
FILTERS = {
    "gopher_repetition": GopherRepetitionFilter,
    "gopher_quality": GopherQualityFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    made: dict[str, dict[str, Any]] = {
        language: {name: kind(language=code) for name, kind in FILTERS.items()} for language, code in LANGUAGES.items()
    }
    # The papers' values, where datatrove's defaults are others.
    for filters in made.values():
        filters["c4"].min_num_sentences, filters["c4"].min_words_per_line = 3, 5
    formatter = PIIFormatter()
    for language, filters in made.items():  # loads its word tokenizers before the clock starts
        for found in filters.values():
            found.filter(Document(text="Some words to begin with. 先说几句话。", id=language))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        verdicts = []
        before = cpu_seconds()
        for text, language in json.loads(line):
            verdict = {}
            for name, found in made[language].items():
                result = found.filter(Document(text=text, id="0"))
                verdict[name] = "" if result is True else result[1] if isinstance(result, tuple) else name
            formatted = formatter.format(text)
            verdict["email"] = "found" if formatted.count("email@example.com") > text.count("email@example.com") else ""
            verdicts.append(verdict)
        seconds = cpu_seconds() - before
        for verdict, (text, language) in zip(verdicts, json.loads(line), strict=True):
            verdict.update(with_same_words(made[language], text))
        print(json.dumps({"cpu_s": seconds, "verdicts": verdicts}), flush=True)


def with_same_words(filters: dict[str, Any], text: str) -> dict[str, str]:
    """Judges a text with nightmill's words."""
    found = {}
    for module in COUNT_WORDS:
        theirs, module.split_into_words = module.split_into_words, words_of
        name = module.__name__.rpartition(".")[2].removesuffix("_filter").removesuffix("_quality")
        name = {"gopher": "gopher_quality"}.get(name, name)
        result = filters[name].filter(Document(text=text, id="0"))
        found[f"same_words.{name}"] = "" if result is True else result[1] if isinstance(result, tuple) else name
        module.split_into_words = theirs
    return found


def words_of(text: str, language: str) -> list[str]:
    return text.split() if language == "eng" else re.findall("[\u3400-\u9fff]|[^\\W_\u3400-\u9fff]+", text)


if __name__ == "__main__":
    main()
