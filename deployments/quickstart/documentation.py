"""Documents that are files in their distributions: READMEs, licence texts, HTML pages, and Python's help topics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

from deployments.quickstart.distributions import Distribution
from deployments.quickstart.layout import PlainFile

_SHORTEST = 200
"""Characters below which a README is a stub."""

_SHORTEST_PAGE = 100
"""Visible characters of an HTML page: packages ship few, most of them templates of a few words."""

_DESCRIPTION_SUFFIX = {"text/markdown": ".md", "text/plain": ".txt"}
_LICENCE_NAME = re.compile(r"^(licen[cs]e|copying|notice)s?\b", re.IGNORECASE)
_NO_TEXT = {".py", ".pyc", ".pyi", ".json", ".toml", ".js", ".css", ".html", ".xml"}
_FOR_AGENTS = re.compile(r"(^|/)(\.|AGENTS\.md|CLAUDE\.md|SKILL\.md)")
"""Prompts for programs that write code are not documentation of the library."""

_TEMPLATE_TAG = re.compile(r"\{[%{#].*?[%}#]\}", re.DOTALL)


def files_of(distribution: Distribution) -> Iterator[PlainFile]:
    """Yields a distribution's READMEs, licence texts and HTML pages, each under a name that starts with the
    distribution's."""
    licence, origin = distribution.licence, distribution.origin
    if len(distribution.description) >= _SHORTEST:
        kind = str(distribution.metadata.get("Description-Content-Type") or "").partition(";")[0].strip().lower()
        name = distribution.name + _DESCRIPTION_SUFFIX.get(kind, ".rst")
        yield PlainFile("readmes", name, distribution.description.encode("utf-8", "replace"), licence, origin)
    taken: set[str] = set()
    for path in distribution.files:
        source = _source(path)
        if not source:
            continue
        try:
            content = (distribution.site / path).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            continue
        if _visible_length(content) < _SHORTEST_PAGE if source == "html" else len(content) < _SHORTEST:
            continue
        name = _flat_name(distribution, path, ".txt" if source == "licences" else "")
        while (key := f"{source}/{name}") in taken:
            name += ".txt"
        taken.add(key)
        yield PlainFile(source, name, content, licence, origin)


def help_topics(topics: Path, version: str) -> Iterator[PlainFile]:
    """Yields the topics of Python's `help()`, read from the syntax tree of `pydoc_data/topics.py`."""
    for node in ast.parse(topics.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for name, text in ast.literal_eval(node.value).items():
                file_name = f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.txt"
                yield PlainFile("help", file_name, str(text).encode(), "PSF-2.0", f"Python {version}")


def _source(path: str) -> str:
    """Says which source a file belongs to; empty for none."""
    file = PurePosixPath(path)
    if _LICENCE_NAME.match(file.name) and file.suffix.lower() not in _NO_TEXT:
        return "licences"
    if file.suffix.lower() in {".html", ".htm"}:
        return "html"
    is_readme = file.stem.lower() == "readme" and file.suffix.lower() in {".md", ".rst", ".txt"}
    if "tests" in file.parts:
        return ""
    in_package = not any(part.endswith(".dist-info") for part in file.parts)
    if is_readme or (in_package and file.suffix in {".md", ".rst"} and not _FOR_AGENTS.search(path)):
        return "readmes"
    return ""


def _flat_name(distribution: Distribution, path: str, suffix: str) -> str:
    parts = [part for part in PurePosixPath(path).parts if not part.endswith(".dist-info")]
    name = "--".join((distribution.name, *parts))
    return name if name.endswith(suffix) else name + suffix


class _VisibleText(HTMLParser):
    """Adds up the characters that a browser would show."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style"} and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.length += len(" ".join(data.split()))


def _visible_length(content: bytes) -> int:
    parser = _VisibleText()
    parser.feed(_TEMPLATE_TAG.sub(" ", content.decode("utf-8", "replace")))
    parser.close()
    return parser.length
