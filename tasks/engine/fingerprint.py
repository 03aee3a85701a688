"""Fingerprint of the code that decides a stage's result.

It covers the syntax trees of the stage's module and of every project module that it imports, directly or not, at the
top or inside a function, and the data files (word lists) that lie beside them. Comments, docstrings and formatting do
not count. The engine and the store do not count, nor what only carries records and errors: they must not change
results. A test forbids dynamic imports, so the import statements tell the whole truth.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tasks.store.cache import LocalCache
from tasks.store.canonical import digest_json

PROJECT_PACKAGES = ("tasks", "schemas")
NEUTRAL = ("tasks.engine", "tasks.store", "schemas.errors", "schemas.manifest", "schemas.config.base")
"""Modules (and what lies below them) that carry results without deciding them."""

COUNTED_ENGINE_MODULES = ("tasks.engine.boundaries",)
"""Where parts are cut decides which rows lie in which file, so this module of the engine does count."""

_BESIDE_DATA = frozenset((".pyc", ".pyi", ".nbi", ".nbc", ".bak", ".orig", ".rej", ".swp", ".tmp"))
"""What Python, numba, editors and merges leave beside source files."""

FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digest of a stage's code, and of each module and data file that is part of it (by dotted name or path)."""

    digest: str
    modules: dict[str, str]


def fingerprint(module: str, root: Path, cache: LocalCache) -> Fingerprint:
    """Fingerprints a stage's code.

    Args:
        module: Dotted name of the stage's module, such as `tasks.clean.stage`.
        root: The folder that holds the top-level packages.
        cache: Remembers syntax-tree digests by the digest of the source.

    Raises:
        SyntaxError: A module of the project cannot be parsed.
    """
    found: dict[str, str] = {}
    folders: set[Path] = set()
    waiting = [module]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or not _counts(name):
            continue
        seen.add(name)
        path = _source(name, root)
        if path is None:
            continue
        digest, imports = _parsed(path, name, path.name == "__init__.py", cache)
        found[name] = digest
        if name.startswith("tasks."):
            folders.add(path.parent)
        waiting.extend(imports)
        waiting.extend(_parents(name))
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if _is_data(path, folder) and path.is_file():
                found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return Fingerprint(digest_json(found), found)


def _is_data(path: Path, folder: Path) -> bool:
    """Word lists and the like, in the stage's folder or in folders below that are no packages of their own."""
    inside = path.relative_to(folder).parts
    if any(part.startswith((".", "#")) or part == "__pycache__" for part in inside):
        return False
    if path.suffix in _BESIDE_DATA or path.name.endswith("~") or (len(inside) == 1 and path.suffix == ".py"):
        return False
    return not any((parent / "__init__.py").exists() for parent in _between(path, folder))


def _between(path: Path, folder: Path) -> list[Path]:
    return [parent for parent in path.parents if folder in parent.parents]


def _counts(name: str) -> bool:
    if name.split(".")[0] not in PROJECT_PACKAGES:
        return False
    if name in COUNTED_ENGINE_MODULES:
        return True
    return not any(name == neutral or name.startswith(neutral + ".") for neutral in NEUTRAL)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _source(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    package = path / "__init__.py"
    return package if package.is_file() else None


def _parsed(path: Path, name: str, is_package: bool, cache: LocalCache) -> tuple[str, list[str]]:
    source = path.read_bytes()
    note = f"code:{FORMAT}:{name}:{is_package}:{hashlib.sha256(source).hexdigest()}"
    with contextlib.suppress(ValueError, TypeError):  # A damaged cache is no source of truth.
        digest, imports = json.loads(cache.note(note) or "null")
        return digest, imports
    tree = ast.parse(source, filename=str(path))
    imports = sorted(_imports(tree, name if is_package else name.rpartition(".")[0]))
    _drop_docstrings(tree)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    cache.put_note(note, json.dumps([digest, imports]))
    return digest, imports


def _imports(tree: ast.AST, package: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                anchor = parts[: len(parts) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            found.add(base)
            # `from package import module` names a module as often as a value; what is no module is ignored later.
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] in PROJECT_PACKAGES}


def _drop_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            kept = [
                statement
                for statement in node.body
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ]
            node.body = kept or [ast.Pass()]
