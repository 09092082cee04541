"""The arrows between packages point down only, and each library stays where it belongs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from journey_pipeline_tests.package_trees import PACKAGE, trees

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "settings": {"errors"},
    "processes": set(),
    "signals": set(),
    "files": {"errors"},
    "formats": {"errors"},
    "model": {"errors"},
    "recipe": {"formats", "model"},
    "sql": set(),
    "transport": {"formats", "model", "recipe", "errors", "settings", "files"},
    "sandbox": {"model", "errors", "signals", "files"},
    "vendors": {"transport", "formats", "files", "model", "recipe", "errors", "settings"},
    "exports": {"transport", "model", "recipe", "errors", "settings", "processes", "files"},
    "receiver": {"exports", "settings", "signals"},
    "lake": {"model", "recipe", "errors", "files"},
    "normalize": {"sql", "lake", "transport", "formats", "model", "recipe", "errors", "settings", "files"},
    "loading": {
        "vendors",
        "exports",
        "normalize",
        "lake",
        "transport",
        "model",
        "recipe",
        "errors",
        "settings",
        "files",
    },
    "warehouse": {"sql", "lake", "model", "recipe", "errors", "settings", "files"},
    "report": {"warehouse", "sql", "errors", "files"},
    "connections": {
        "loading",
        "vendors",
        "exports",
        "normalize",
        "lake",
        "transport",
        "model",
        "recipe",
        "errors",
        "settings",
    },
    "components": {
        "report",
        "connections",
        "loading",
        "warehouse",
        "vendors",
        "exports",
        "normalize",
        "lake",
        "transport",
        "model",
        "recipe",
        "errors",
        "settings",
        "files",
        "processes",
        "defs",
    },
    "cli": {
        "components",
        "report",
        "connections",
        "loading",
        "warehouse",
        "processes",
        "signals",
        "vendors",
        "exports",
        "normalize",
        "lake",
        "receiver",
        "transport",
        "sandbox",
        "model",
        "recipe",
        "errors",
        "settings",
        "files",
    },
    "defs": set(),
    "definitions": {"defs", "components"},
}
BELONGS_TO = {
    "dagster": {"components", "definitions"},
    "duckdb": {"normalize", "warehouse"},
    "requests": {"transport"},
    "urllib3": {"transport"},
    "tenacity": {"transport"},
    "sqlalchemy": {"exports", "components"},
    "psycopg": set(),
    "starlette": {"receiver", "sandbox"},
    "uvicorn": {"receiver", "sandbox"},
    "click": {"cli"},
    "rich": {"cli"},
}


def imports_of(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def layer(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def test_modules_import_only_from_the_layers_below_them() -> None:
    reaching = {}
    for module in MODULES:
        own = layer(module)
        ours = {name.split(".")[1] for name in imports_of(module) if name.startswith("journey_pipeline.")}
        allowed = set() if own == "__init__" else MAY_IMPORT[own] | {"__version__", own}
        if strays := ours - allowed:
            reaching[str(module)] = strays
    assert not reaching


def test_libraries_are_imported_only_where_they_belong() -> None:
    strays = {}
    for module in MODULES:
        libraries = {name.split(".")[0] for name in imports_of(module)} & set(BELONGS_TO)
        if wrong := {library for library in libraries if layer(module) not in BELONGS_TO[library]}:
            strays[str(module)] = wrong
    assert not strays


def test_no_module_is_named_after_nothing() -> None:
    empty = {"utils", "helpers", "common", "base", "misc"}
    assert not [module for module in MODULES if empty & {part.removesuffix(".py") for part in module.parts}]


def test_every_module_says_what_it_holds() -> None:
    assert not [module for module, tree in trees().items() if not ast.get_docstring(tree)]


def test_every_signpost_names_another_file_that_is_there() -> None:
    lost = {}
    for module, tree in trees().items():
        named = re.findall(r"`(\w[\w/]*(?:\.py|\.sql|/))`", ast.get_docstring(tree) or "")
        places = (PACKAGE / module).parent, PACKAGE, PACKAGE.parent
        here = {module.name, str(module)}
        if wrong := [name for name in named if name in here or not any((place / name).exists() for place in places)]:
            lost[str(module)] = wrong
    assert not lost


def test_the_pages_on_the_package_name_files_that_are_there() -> None:
    docs = PACKAGE.parent / "docs"
    way = (docs / "architecture.md").read_text().partition("## The way of an hour")[2]
    named = set(re.findall(r"`([a-z_<>]+/[a-z_<>/.]*)`", way + (docs / "adding-a-vendor.md").read_text()))
    assert len(named) > 30
    assert {path for path in named if not is_there(re.sub("<[a-z]+>", "*", path))} == set()


def is_there(path: str) -> bool:
    return any(list(root.glob(path)) for root in (PACKAGE, PACKAGE.parent))


def test_a_vendor_is_named_in_its_own_folders_and_in_the_list_of_components_alone() -> None:
    vendors = {path.parent.name for path in PACKAGE.glob("vendors/*/__init__.py")}
    shared = [module for module in MODULES if not vendors & {part.removesuffix(".py") for part in module.parts}]
    naming = {str(module): named for module in shared if (named := vendors & words_of(module))}
    assert len(vendors) >= 3
    assert list(naming) == ["components/__init__.py", "connections/__init__.py"], naming


def words_of(module: Path) -> set[str]:
    """The words of a module's names and values, in lower case; sentences may give examples."""
    found = imports_of(module)
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found.add(node.value)
    return {word for text in found for word in re.split(r"[^a-z]+", text.lower())}


def test_no_module_grows_past_four_hundred_lines() -> None:
    lengths = {module: len((PACKAGE / module).read_text().splitlines()) for module in MODULES}
    assert not {module: lines for module, lines in lengths.items() if lines > 400}
