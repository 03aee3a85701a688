"""Wikitext to plain text: prose, headings and lists stay; templates, tables, files, references and markup go.

What does not nest, nearly all of it, is replaced by expressions that stop at the next bracket; the rest in one pass
with a stack. So time is linear in the length whatever is left open or closed twice. It reads 21 MB a CPU second of
densely marked text, where mwparserfromhell 0.7 with `strip_code` reads 1.5. Not a renderer: templates are not expanded.
A few whose whole meaning is their text keep it, since Chinese articles put foreign names and links to other wikis into
them in mid-sentence.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from tasks.readers.wikitext_variants import resolve_variant

MAX_DEPTH = 40
"""Deeper openings are left as text: closing one costs as much as what it holds."""

_TOKEN = re.compile(
    r"""
    (?P<open>\{\{|\[\[|-\{|(?:(?<=\n)|\A)[ :*]*\{\|)
    | (?P<close>\}\}|\]\]|\}-|\|\}(?!\}))
    | (?P<address>\[(?:https?:|ftp:)?//[^\s\[\]<>"]*[ \t]*)
    | (?P<end>\])
    | <(?P<slash>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9]*)\b(?P<rest>[^<>]*)>
    | (?P<nothing>'{2,}|__[A-Z\u4e00-\u9fff]{2,20}__)
    """,
    re.X,
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_TEMPLATE = re.compile(
    r"\{\{(?!\s*(?:lang|nowrap|transl|ill|interlanguage|le|tsl|internal|link)[\s|_-])[^{}]*\}\}", re.I
)
_REFERENCE = re.compile(r"<ref(?:\s[^<>]*)?>[^<>]*</ref>|<ref[^<>]*/>", re.I)
_LINK = re.compile(r"\[\[(?:[^\[\]|:{}<>]*\|)?([^\[\]|:{}<>]+)\]\]")
TEMPLATE_ROUNDS = 4
"""Templates in templates that are taken out from the inside; what is deeper is left to the pass with a stack."""

_CLOSES = {"}}": "{{", "]]": "[[", "}-": "-{", "|}": "{|"}

_LITERAL = frozenset(("nowiki", "pre"))
"""Elements whose content is text as it stands."""
_FOREIGN = re.compile(
    "math|chem|ce|score|timeline|hiero|graph|syntaxhighlight|source|gallery|imagemap|templatedata|inputbox|mapframe|"
    "maplink|categorytree|templatestyles"
)
"""Elements whose content is no text and has no wikitext markup."""
_DROPPED = frozenset(("ref", "references", "noinclude", "indicator"))
_BREAKS = frozenset(("br", "p", "div", "li", "tr", "blockquote", "hr"))

_DROPPED_LINKS = re.compile(
    "file|image|media|category|template|user|文件|檔案|档案|图像|圖像|图片|圖片|媒体|媒體|分类|分類|模板"
)
_INTERLANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,10})?\Z")

_TEXT_OF_TEMPLATES = {
    "lang": 2,
    "nowrap": 1,
    "transl": -1,
    "transliteration": -1,
    "ill": 1,
    "illm": 1,
    "interlanguage link": 1,
    "interlanguage link multi": 1,
    "le": 1,
    "tsl": 3,
    "internal link helper": 1,
}
"""Which parameter of these templates is text."""


class _Open(NamedTuple):
    """Something that waits for its end. `start` is its place in the output, where its own token stands as text."""

    kind: str
    start: int


def plain_text(wikitext: str, variant: str = "") -> str:
    """Returns the text of a page: headings without their marks, list items behind a dash, paragraphs as they are.

    Args:
        wikitext: The page's source.
        variant: Which Chinese variant markup such as `-{zh-hans:网络;zh-hant:網路}-` gives; empty: it is no markup.
    """
    if "<!--" in wikitext:
        wikitext = _COMMENT.sub("", wikitext)
    if "<nowiki" not in wikitext and "<pre" not in wikitext:
        wikitext = _without_simple_markup(wikitext)
    return _lines(html.unescape(_Pass(wikitext, variant).text()))


def _without_simple_markup(wikitext: str) -> str:
    for _ in range(TEMPLATE_ROUNDS):
        wikitext, found = _TEMPLATE.subn("", wikitext)
        if not found:
            break
    return _LINK.sub(r"\1", _REFERENCE.sub("", wikitext))


class _Pass:
    """One walk through the markup of a page."""

    def __init__(self, wikitext: str, variant: str) -> None:
        self._source = wikitext
        self._variant = variant
        self._out: list[str] = []
        self._stack: list[_Open] = []
        self._unclosed: set[str] = set()

    def text(self) -> str:
        source, out = self._source, self._out
        position = 0
        while found := _TOKEN.search(source, position):
            if found.start() > position:
                out.append(source[position : found.start()])
            position = found.end()
            group = found.lastgroup
            if group == "open":
                self._open(found[0])
            elif group == "close":
                self._close(found[0])
            elif group == "address":
                self._push("[", "")
            elif group == "end":
                if self._shut("[") is None:
                    out.append("]")
            elif group == "rest":
                position = self._element(found, position)
        out.append(source[position:])
        return "".join(out)

    def _open(self, token: str) -> None:
        token = token.lstrip(" :*")
        if token == "-{" and not self._variant:
            self._out.append(token)
        else:
            self._push(token, token)

    def _push(self, kind: str, literal: str) -> None:
        if len(self._stack) < MAX_DEPTH:
            self._stack.append(_Open(kind, len(self._out)))
        self._out.append(literal)

    def _shut(self, kind: str) -> str | None:
        """Takes what was opened last of a kind off the output and returns its content; None if there is none."""
        for depth in range(len(self._stack) - 1, -1, -1):
            if self._stack[depth].kind == kind:
                start = self._stack[depth].start
                content = "".join(self._out[start + 1 :])
                del self._out[start:], self._stack[depth:]
                if kind == "[":
                    self._out.append(content)
                return content
        return None

    def _close(self, token: str) -> None:
        content = self._shut(_CLOSES[token])
        if content is None:
            self._out.append(token)
        elif token == "]]":
            self._out.append(_link(content))
        elif token == "}}":
            self._out.append(_template(content))
        elif token == "}-":
            self._out.append(resolve_variant(content, self._variant))

    def _element(self, found: re.Match[str], position: int) -> int:
        """Handles a tag; returns where to go on."""
        name = found["tag"].lower()
        if found["slash"]:
            if name in _DROPPED:
                self._shut(name)
        elif found["rest"].endswith("/"):
            pass
        elif name in _DROPPED:
            self._push(name, "")
        elif name in _LITERAL or _FOREIGN.fullmatch(name):
            end = -1 if name in self._unclosed else self._source.find(f"</{found['tag']}", position)
            if end < 0:
                self._unclosed.add(name)  # Not looked for again: that would take time with the square.
                return position
            if name in _LITERAL:
                self._out.append(self._source[position:end])
            return end
        if name in _BREAKS:
            self._out.append("\n")
        return position


def _link(content: str) -> str:
    target, bar, label = content.partition("|")
    prefix, colon, rest = target.partition(":")
    if colon and prefix:
        prefix = prefix.strip().lower()
        if _DROPPED_LINKS.fullmatch(prefix) or (_INTERLANGUAGE.match(prefix) and not bar):
            return ""
    if label:
        return label
    if bar:  # The pipe trick: `[[Mercury (planet)|]]` is shown as its first word.
        return (rest if colon else target).split(" (")[0]
    return target.lstrip(":")


def _template(content: str) -> str:
    name, _, rest = content.partition("|")
    name = name.strip().lower()
    wanted = _TEXT_OF_TEMPLATES.get(name)
    if wanted is None:
        if name.startswith(("lang-", "link-")):
            wanted = 1
        else:
            return ""
    values = [value for value in rest.split("|") if "=" not in value]
    index = wanted - 1 if wanted > 0 else wanted
    if not values:
        return ""
    return values[index] if index < len(values) else values[-1]


def _lines(text: str) -> str:
    """Puts headings and lists in order; a heading that nothing stands below goes."""
    kept: list[str] = []
    headings: list[tuple[int, str]] = []
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("=") and stripped.endswith("=") and len(stripped) > 2:
            title = stripped.strip("=")
            level = (len(stripped) - len(title)) // 2
            while headings and headings[-1][0] >= level:
                headings.pop()
            headings.append((level, title.strip()))
            continue
        item = stripped.lstrip("*#:;")
        if item != stripped:
            marks = stripped[: len(stripped) - len(item)]
            item = item.strip()
            stripped = (f"- {item}" if "*" in marks or "#" in marks else item) if item else ""
        if stripped:
            for _, title in headings:
                kept += [title, ""] if not kept or not kept[-1] else ["", title, ""]
            headings.clear()
            kept.append(stripped)
        elif kept and kept[-1]:
            kept.append("")
    return "\n".join(kept).strip()
