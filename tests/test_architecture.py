"""The shape of the code: which way imports go, what names are free, and what is never used."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "tasks", "flows", "deployments")
SHARED_TASKS = ("store", "engine", "modeling", "arrays", "tables", "text", "tokens", "readers", "fetch")
"""Folders of `tasks` that stages may import; all others are stages, which never import each other."""


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield node.module or ""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def top_level_imports(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    allowed = {
        "schemas": {"schemas"},
        "tasks": {"schemas", "tasks"},
        "flows": {"schemas", "tasks", "flows"},
        "deployments": {"schemas", "tasks", "flows", "deployments"},
    }[path.relative_to(ROOT).parts[0]]
    for imported in imports(path):
        package = imported.split(".")[0]
        assert package not in PACKAGES or package in allowed, f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", modules("tasks"), ids=name_of)
def test_stages_meet_in_artifacts_only(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    if len(parts) < 3:
        return
    own = parts[1]
    for imported in imports(path):
        if imported.startswith("tasks."):
            other = imported.split(".")[1]
            assert other in (own, *SHARED_TASKS), f"{name_of(path)} imports {imported}"
        if own not in ("engine",):
            assert not imported.startswith("prefect"), f"{name_of(path)} imports {imported}"


def test_prefect_is_imported_in_few_places() -> None:
    found = {
        name_of(path) for path in modules(*PACKAGES) if any(name.split(".")[0] == "prefect" for name in imports(path))
    }
    assert found == {"flows.pipeline", "tasks.engine.prefect_task"}


@pytest.mark.parametrize("path", modules("tasks/store", "schemas"), ids=name_of)
def test_schemas_and_the_store_are_light(path: Path) -> None:
    heavy = {"torch", "transformers", "polars", "prefect", "great_expectations", "numba", "scipy", "pandas"}
    assert not heavy & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", modules("tasks/modeling", "tasks/tokens"), ids=name_of)
def test_a_bare_training_worker_can_load_modeling(path: Path) -> None:
    forbidden = {"prefect", "polars", "pydantic", "pyarrow"}
    assert not forbidden & {name.split(".")[0] for name in imports(path)}
    assert not any(name.startswith(("schemas.config", "schemas.manifest")) for name in imports(path))


@pytest.mark.parametrize("path", sorted(ROOT.glob("tasks/*/stage.py")), ids=name_of)
def test_what_a_plan_imports_is_light(path: Path) -> None:
    heavy = {"torch", "transformers", "polars", "pyarrow", "numpy", "numba", "pandas", "evaluate", "sentencepiece"}
    assert not heavy & {name.split(".")[0] for name in top_level_imports(path)}


def test_no_module_of_flows_shadows_a_library() -> None:
    """Prefect loads a flow file with its folder first on sys.path."""
    taken = set(sys.stdlib_module_names) | set(metadata.packages_distributions())
    for package in ("flows", "deployments"):
        for path in (ROOT / package).iterdir():
            if path.suffix == ".py" or (path / "__init__.py").exists():
                name = path.stem
                assert name == "__init__" or name not in taken - set(PACKAGES), f"{package}/{path.name}"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_nothing_is_imported_unpickled_or_evaluated_by_name(path: Path) -> None:
    """Fingerprints follow import statements, so those must be the only way in; artifacts are never pickles."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("__import__", "eval", "exec", "importlib.import_module", "import_module"), (
                f"{name_of(path)}:{node.lineno} calls {called}"
            )
            assert called not in ("yaml.load", "pickle.load", "pickle.loads"), f"{name_of(path)}:{node.lineno}"
            if called == "torch.load":
                assert any(keyword.arg == "weights_only" for keyword in node.keywords)
    assert "pickle" not in set(imports(path))


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name_of(path)} has no docstring"
    assert path.stem not in ("utils", "helpers", "common", "misc", "manager", "handler")


def test_the_top_level_holds_what_the_layout_says() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    folders = {line.split("/")[0] for line in listed if "/" in line}
    assert {name for name in folders if not name.startswith(".")} == {*PACKAGES, "tests"}
