"""The arrows between packages point down only, and each library stays where it belongs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "journey_pipeline"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "settings": {"errors"},
    "processes": set(),
    "formats": {"errors"},
    "model": {"formats", "errors"},
    "transport": {"model", "errors", "settings"},
    "sandbox": {"model", "errors"},
    "vendors": {"transport", "formats", "model", "errors", "settings"},
    "exports": {"transport", "model", "errors", "settings", "processes"},
    "lake": {"transport", "formats", "model", "errors", "settings"},
    "loading": {"vendors", "exports", "lake", "transport", "model", "errors", "settings"},
    "warehouse": {"lake", "model", "errors", "settings"},
    "components": {
        "loading",
        "warehouse",
        "vendors",
        "exports",
        "lake",
        "transport",
        "model",
        "errors",
        "settings",
        "processes",
        "defs",
    },
    "cli": {
        "components",
        "loading",
        "warehouse",
        "vendors",
        "exports",
        "lake",
        "sandbox",
        "model",
        "errors",
        "settings",
    },
    "defs": set(),
    "definitions": {"defs", "components"},
}
BELONGS_TO = {
    "dagster": {"components", "definitions"},
    "duckdb": {"lake", "warehouse"},
    "requests": {"transport"},
    "urllib3": {"transport"},
    "tenacity": {"transport"},
    "sqlalchemy": {"exports", "components"},
    "psycopg": set(),
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "click": {"cli"},
    "rich": {"cli"},
}


def imports_of(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def layer(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_from_the_layers_below_it(module: Path) -> None:
    if len(module.parts) == 1 and layer(module) == "__init__":
        assert not imports_of(module)
        return
    own = layer(module)
    ours = {name.split(".")[1] for name in imports_of(module) if name.startswith("journey_pipeline.")}
    assert ours - {"__version__"} - {own} <= MAY_IMPORT[own], f"{module} reaches outside of its layer"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_library_is_imported_only_where_it_belongs(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imports_of(module)}
    strays = {lib for lib in libraries & set(BELONGS_TO) if layer(module) not in BELONGS_TO[lib]}
    assert not strays, f"{module} imports {strays}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_is_named_after_nothing(module: Path) -> None:
    assert not {part.removesuffix(".py") for part in module.parts} & {"utils", "helpers", "common", "base", "misc"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_says_what_it_holds(module: Path) -> None:
    assert ast.get_docstring(ast.parse((PACKAGE / module).read_text()))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_grows_past_three_hundred_lines(module: Path) -> None:
    assert len((PACKAGE / module).read_text().splitlines()) <= 300
