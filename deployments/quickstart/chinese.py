"""Chinese texts, and their English counterparts, from the wheels beside the environment.

akshare describes 1,082 interfaces in a data file and documents its modules in Chinese; catalogues translate the user
interfaces of Django and Spyder; chatterbot-corpus holds dialogues in both languages. The traditional-script dialogues
of the latter are left out: they repeat the simplified ones character by character, which no deduplication would see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from deployments.quickstart.catalogues import Message, read_catalogue
from deployments.quickstart.distributions import Distribution
from deployments.quickstart.docstrings import read_source
from deployments.quickstart.examples import Example, is_labelled
from deployments.quickstart.layout import HAN, Record, han_characters

SHORTEST = 80
"""Characters of a Chinese document: a Chinese character says as much as two or three letters."""

LONGEST = 2_000
"""Characters at which messages and dialogues, which have no end of their own, are cut into documents."""

_LONGEST_MESSAGE = 400
_COMMENT = re.compile(r"^\s*#+\s*(.+)$")
_FEWEST_HAN_IN_COMMENT = 6
_LABELLED_PERCENT = 25
"""Less than of English docstrings: Chinese is scarce, and every document counts."""

_NO_WORDS = re.compile(r"^(Date: .*|:type .*|:rtype: .*)\n?", re.MULTILINE)
_DESCRIPTION = re.compile(r"^Desc: ", re.MULTILINE)
_ACCESS_KEY = re.compile(r"\s*[（(]&\w[)）]|&(?=\w)")
_NOTHING = {"", "-"}


def module_documents(distribution: Distribution) -> Iterator[Record]:
    """Yields one document per module: its Chinese docstrings and comments in source order.

    Docstrings of functions on the labelled side are left out.
    """
    for path in distribution.files:
        if not path.endswith(".py"):
            continue
        source = (distribution.site / path).read_text("utf-8", "replace")
        if not HAN.search(source):
            continue
        try:
            found = list(read_source(source, path))
        except (SyntaxError, ValueError):
            continue
        module = path.removesuffix(".py").replace("/", ".")
        found = [item for item in found if item.name == module or not is_labelled(item.function, _LABELLED_PERCENT)]
        blocks = [_DESCRIPTION.sub("", _NO_WORDS.sub("", item.text)).strip() for item in found if HAN.search(item.text)]
        comments = dict.fromkeys(
            match[1].strip()
            for line in source.splitlines()
            if (match := _COMMENT.match(line)) and han_characters(match[1]) >= _FEWEST_HAN_IN_COMMENT
        )
        text = _each_line_once("\n\n".join([*blocks, "\n".join(comments)]))
        if len(text) >= SHORTEST:
            yield Record(text, distribution.licence, distribution.origin, path, "zh")


def interface_documents(distribution: Distribution, path: str) -> tuple[list[Record], list[Example]]:
    """Lays out each described interface as a document, or, on the labelled side, as an example of summarising."""
    records: list[Record] = []
    examples: list[Example] = []
    file = distribution.site / path
    if not file.is_file():
        return records, examples
    for interface in json.loads(file.read_bytes())["interfaces"]:
        summary, body, name = str(interface["desc"]).strip(), _interface_body(interface), str(interface["name"])
        if not HAN.search(summary):
            continue
        if not is_labelled(name, _LABELLED_PERCENT):
            records.append(
                Record(f"{summary}\n\n{body}", distribution.licence, distribution.origin, f"{path}#{name}", "zh")
            )
        elif len(body) >= SHORTEST and summary not in body:
            examples.append(Example(body, summary, "zh"))
    return records, examples


def catalogues(distribution: Distribution, languages: Iterable[str]) -> Iterator[tuple[str, list[Message]]]:
    """Yields the path and the messages of each catalogue in one of the languages (`zh_CN`)."""
    folders = {f"/{language}/LC_MESSAGES/" for language in languages}
    for path in distribution.files:
        if path.endswith(".po") and any(folder in path for folder in folders):
            yield path, list(read_catalogue((distribution.site / path).read_text("utf-8")))


def catalogue_documents(distribution: Distribution, path: str, messages: Iterable[Message]) -> Iterator[Record]:
    """Joins translations to documents: those of one module together, small modules with their neighbours."""
    lines: list[str] = []
    module = ""
    part = 0
    for message in [*messages, None]:
        length = sum(map(len, lines))
        ends = message is None or length >= LONGEST or (length >= SHORTEST * 5 and message.module != module)
        if ends and lines:
            if length >= SHORTEST:
                yield Record("\n".join(lines), distribution.licence, distribution.origin, f"{path}#{part}", "zh")
            lines, part = [], part + 1
        if message is not None:
            module = message.module
            text = _plain(message.translation)
            if HAN.search(text) and text not in lines:
                lines.append(text)


def translation_pairs(messages: Iterable[Message]) -> Iterator[Example]:
    """Yields what can be learned from: an English text and another, Chinese one, both of moderate length."""
    for message in messages:
        source, translation = _plain(message.source), _plain(message.translation)
        if (
            HAN.search(translation)
            and not HAN.search(source)
            and re.search(r"[A-Za-z]{2}", source)
            and max(len(source), len(translation)) <= _LONGEST_MESSAGE
        ):
            yield Example(source, translation, "zh")


def dialogues(distribution: Distribution, folder: str, language: str) -> Iterator[Record]:
    """Yields dialogues, joined to documents within a topic; speakers take turns line by line."""
    for path in distribution.files:
        if not (path.startswith(folder) and path.endswith(".yml")):
            continue
        content = yaml.safe_load((distribution.site / path).read_bytes())
        talks: list[str] = []
        part = 0
        for talk in [*content["conversations"], None]:
            length = sum(map(len, talks))
            if talks and (talk is None or length >= LONGEST):
                text = "\n\n".join(talks)
                if len(text) >= SHORTEST:
                    name = f"{path}#{part}"
                    yield Record(text, distribution.licence, distribution.origin, name, language)
                talks, part = [], part + 1
            if talk:
                turns = "\n".join(str(turn).strip() for turn in talk)
                if turns not in talks:
                    talks.append(turns)


def _interface_body(interface: dict[str, Any]) -> str:
    """Names what an interface takes and gives, in the order in which akshare's own documentation does."""
    lines = [f"接口：{interface['name']}"]
    if interface["limit_desc"] not in _NOTHING:
        lines.append(f"限量：{interface['limit_desc']}")
    for title, fields in (("输入参数", interface["params"]), ("输出数据", interface["outputs"])):
        named = [_field(field) for field in fields if field["name"] not in _NOTHING]
        if named:
            lines += ["", f"{title}：", *named]
    if interface["example"]:
        lines += ["", "示例：", str(interface["example"])]
    return "\n".join(lines)


def _field(field: dict[str, str]) -> str:
    text = f"- {field['name']}"
    if field["type"] not in _NOTHING:
        text += f"（{field['type']}）"
    return text if field["desc"] in _NOTHING else f"{text}：{field['desc']}"


def _each_line_once(text: str) -> str:
    """Drops repeated lines: a module's and its functions' docstrings often begin alike."""
    seen: set[str] = set()
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() and line.strip() not in seen:
            lines.append(line)
        elif lines and lines[-1] and not line.strip():
            lines.append("")
        seen.add(line.strip())
    return "\n".join(lines).strip()


def _plain(text: str) -> str:
    """Removes the marks of access keys (`&Open`, `打开(&O)`) and outer whitespace."""
    return _ACCESS_KEY.sub("", text).strip()
