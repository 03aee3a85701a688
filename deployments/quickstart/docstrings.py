"""Docstrings from source files, by syntax tree: nothing is imported, so nothing runs.

Parsing dominates the harvest: 6 MB of source a CPU second with the garbage collector off (a tree has no cycles to
collect, and walking millions of nodes in vain takes half of the time otherwise).
"""

from __future__ import annotations

import ast
import gc
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path, PurePosixPath

SHORTEST = 200
"""Characters below which a docstring says too little to be a document."""

_SKIPPED_FOLDERS = {"_testing", "_vendor", "conftest.py", "test", "testing", "tests", "vendored", "_vendored_packages"}
_ADDED_LATER = {"add_newdoc", "add_docstr", "_add_docstr"}
"""Functions by which compiled libraries attach docstrings to what is not written in Python."""

_PLACEHOLDER_LINE = re.compile(r"^\s*(\{\w+\}|%\(\w+\)s|\$\w+)\s*$\n?", re.MULTILINE)
"""A line that the library fills in at import."""

_SIGNATURE = re.compile(r"^[\w.]+\s*\(.*\)\s*(->.*)?$", re.DOTALL)
_MARKUP_LINE = re.compile(r"^\s*([|+=\-~*#^`.]{3,}|\.\. |:\w|>>>|[|+].*[|+]$)")
_PROSE_SHARE = 0.6
_MARKUP_SHARE = 0.5


@dataclass(frozen=True, slots=True, order=True)
class Docstring:
    """A docstring and where it stands.

    Attributes:
        path: Source file, relative to the folder of packages.
        name: Dotted name of what it documents.
        text: Cleaned of indentation.
    """

    path: str
    name: str
    text: str

    @property
    def function(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


def source_files(files: Sequence[str], roots: Sequence[str]) -> list[str]:
    """Picks the Python files below the roots, tests and vendored copies left out."""
    return [
        name
        for name in files
        if name.endswith(".py") and name.startswith(tuple(roots)) and not _SKIPPED_FOLDERS & {*name.split("/")}
    ]


def read_files(site: Path, names: Sequence[str], shortest: int = SHORTEST) -> list[Docstring]:
    """Reads the docstrings of at least `shortest` characters of prose from files, in order.

    Files that no Python parser reads (templates, other versions' syntax) hold none.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return [found for name in names for found in _read_file(site / name, name, shortest)]
    finally:
        if collecting:
            gc.enable()


def read_source(source: bytes | str, path: str) -> Iterator[Docstring]:
    """Yields every docstring of a module, in source order.

    Raises:
        SyntaxError: The source is not Python of this version.
        ValueError: The source holds null bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's sources
        tree = ast.parse(source)
    parts = PurePosixPath(path).with_suffix("").parts
    yield from _walk(tree, ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)


def is_prose(text: str) -> bool:
    """True for text that is read, not looked at: mostly letters, and not a table or a list of markup."""
    lines = [line for line in text.splitlines() if line.strip()]
    letters = sum(character.isalpha() or character == " " for character in text)
    markup = sum(bool(_MARKUP_LINE.match(line)) for line in lines)
    return letters >= _PROSE_SHARE * len(text) and markup <= _MARKUP_SHARE * len(lines)


def without_signature(text: str) -> str:
    """Removes a first paragraph that only repeats the signature, as documentation of compiled functions does."""
    first, _, rest = text.partition("\n\n")
    return rest.strip("\n") if _SIGNATURE.match(first.strip()) else text


def _read_file(file: Path, name: str, shortest: int) -> Iterator[Docstring]:
    try:
        source = file.read_bytes()
        for found in read_source(source, name):
            if len(found.text) >= shortest and is_prose(found.text):
                yield found
    except (SyntaxError, ValueError, FileNotFoundError):
        return


def _walk(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str, path: str
) -> Iterator[Docstring]:
    text = ast.get_docstring(node)
    if text and _encodes(text):
        yield Docstring(path, name, _PLACEHOLDER_LINE.sub("", text).strip())
    for child in node.body:
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _walk(child, f"{name}.{child.name}", path)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            yield from _added_later(child.value, name, path)


def _added_later(call: ast.Call, module: str, path: str) -> Iterator[Docstring]:
    """Reads `add_newdoc("numpy", "zeros", "...")` and `add_docstr(torch.abs, "...".format(...))`."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if called not in _ADDED_LATER or len(call.args) < 2:
        return
    *targets, last = call.args
    if isinstance(last, ast.Call) and isinstance(last.func, ast.Attribute) and last.func.attr == "format":
        last = last.func.value
        formatted = True
    else:
        formatted = False
    if isinstance(last, ast.Tuple) and len(last.elts) == 2:  # add_newdoc(module, class, (method, text))
        targets, last = [*targets, last.elts[0]], last.elts[1]
    if not isinstance(last, ast.Constant) or not isinstance(last.value, str) or not _encodes(last.value):
        return
    text = _PLACEHOLDER_LINE.sub("", last.value)
    if formatted:
        text = text.replace("{{", "{").replace("}}", "}")
    names = [str(target.value) if isinstance(target, ast.Constant) else ast.unparse(target) for target in targets]
    yield Docstring(path, ".".join(names) or module, cleandoc(text).strip())


def _encodes(text: str) -> bool:
    """False for text with lone surrogates, which no file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
