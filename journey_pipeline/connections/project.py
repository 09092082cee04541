"""The connections that a project configures, read from its `defs.yaml` files as Dagster reads them, without Dagster.

To import Dagster takes seconds, and `status` needs only settings. What is not plain is left to Dagster, mistakes too:
it says where they are. Not here: assets of the connections (`components/deployment.py`).
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from journey_pipeline.connections import SETTINGS
from journey_pipeline.errors import ConfigError

OURS = "journey_pipeline.components"
if TYPE_CHECKING:  # only what is configured is imported
    from journey_pipeline.connections.connection import Connection
    from journey_pipeline.loading.partition import LoadSettings
    from journey_pipeline.model import StreamKey
    from journey_pipeline.vendors.source import Stream

NO_CONNECTIONS = frozenset({"JourneyAlerts", "JourneyRunHistory", "JourneyWarehouse"})

AnyConnection = TypeVar("AnyConnection", bound="Connection")


class _NotPlainError(Exception):
    """Only Dagster can tell what this configures."""


def read_connections(folder: Path) -> list[Connection] | None:
    """The connections of the project that a folder lies in; this package's own `defs/` where it lies in none.

    None if only Dagster can read them: if there is Python among the definitions, a Component of another package, a
    setting that only Dagster knows, a template other than `{{ env.NAME }}`, or a mistake.
    """
    try:
        found = [one for file in _files(_definitions(folder)) for one in _connections_of(file)]
        return found if len({one.connection for one in found}) == len(found) else None
    except Exception:  # noqa: BLE001 - Dagster reads it again, and says what is wrong
        return None


def connection_names(folder: Path) -> list[str]:
    """The names of the same connections, as far as they can be read; no vendor's code is imported."""
    names = []
    with suppress(Exception):  # what is wrong is said by a command that needs them
        for file in _files(_definitions(folder)):
            document = msgspec.yaml.decode(file.read_bytes())
            name = document["type"].rpartition(".")[2]
            if name in SETTINGS and name not in NO_CONNECTIONS:
                vendor = SETTINGS[name].partition(".")[0]
                names.append(str((document.get("attributes") or {}).get("connection", vendor)))
    return names


def _definitions(folder: Path) -> Path:
    """The folder of definitions, as Dagster's `discover_config_file` and `ComponentTree.for_project` find it."""
    project = _project(folder.absolute())
    name = project.get("defs_module") or f"{project['root_module']}.defs"
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise _NotPlainError
    return Path(spec.submodule_search_locations[0])


def _project(folder: Path) -> Any:
    """The settings of the Dagster project that a folder lies in."""
    for place in (folder, *folder.parents):
        if (file := place / "dg.toml").exists():
            return _toml(file).get("project", {})
        if (file := place / "pyproject.toml").exists() and "dg" in (tools := _toml(file).get("tool", {})):
            return tools["dg"].get("project", {})
    return {"root_module": "journey_pipeline"}


def _toml(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def _files(folder: Path) -> Iterator[Path]:
    """Each `defs.yaml`, in Dagster's order. Beside one, nothing else counts."""
    if (folder / "defs.yml").exists() or (folder / "component.yaml").exists():
        raise _NotPlainError
    if (file := folder / "defs.yaml").exists():
        yield file
        return
    for entry in sorted(folder.iterdir()):
        if entry.name == "__pycache__" or entry.name.startswith("."):
            continue
        if entry.suffix == ".py":
            _expect_only_words(entry)
        elif entry.is_dir():
            yield from _files(entry)


def _expect_only_words(file: Path) -> None:
    """Python may define a connection, too; a docstring does not."""
    if file.name != "__init__.py" or any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_bytes()).body):
        raise _NotPlainError


def _connections_of(file: Path) -> Iterator[Connection]:
    document = msgspec.yaml.decode(file.read_bytes())
    if document.keys() - {"type", "attributes"}:
        raise _NotPlainError
    package, _, name = document["type"].rpartition(".")
    if package != OURS:
        raise _NotPlainError
    if name in NO_CONNECTIONS:
        return
    module, settings = SETTINGS[name].split(".")
    of_vendor = getattr(import_module(f"journey_pipeline.connections.{module}"), settings)
    yield of_vendor(**_resolved(document.get("attributes") or {}))


_ENVIRONMENT = re.compile(r"\{\{ *env\.(\w+) *\}\}")
_TEMPLATE = re.compile(r"\{[{%#]|\n$")


def _resolved(value: Any) -> Any:
    """A value of YAML, with variables of the environment in place of `{{ env.NAME }}`."""
    if isinstance(value, dict):
        return {name: _resolved(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one) for one in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise _NotPlainError  # a date: Dagster's YAML has none


def _text(value: str) -> str:
    variable = _ENVIRONMENT.fullmatch(value)
    text = os.environ[variable[1]] if variable else value
    if _TEMPLATE.search(text) or _is_literal(text):
        raise _NotPlainError
    return text


def _is_literal(text: str) -> bool:
    """Whether Dagster's templates make another value than a text of it, as of "12"."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError):
        return False
    return True


def named(connections: Iterable[AnyConnection], name: str) -> AnyConnection:
    """A connection by its name.

    Raises:
        ConfigError: If there is none; names those there are.
    """
    known = []
    for connection in connections:
        if connection.connection == name:
            return connection
        known.append(connection.connection)
    raise ConfigError(f"there is no connection {name!r}; configured are: {', '.join(sorted(known)) or 'none'}")


def streams_of(connections: Iterable[Connection]) -> dict[StreamKey, tuple[Stream, LoadSettings]]:
    """The streams of some connections, and how each is loaded."""
    return {stream.key: (stream, one.load_settings) for one in connections for stream in one.offered.values()}


def select(connections: Iterable[AnyConnection], selector: str | None) -> list[tuple[AnyConnection, Stream]]:
    """All streams, those of a connection, or the one of `connection/stream`, each with its connection.

    Raises:
        ConfigError: If there is no such connection or stream; names those there are.
    """
    if selector is None:
        return [(connection, stream) for connection in connections for stream in connection.offered.values()]
    name, _, wanted = selector.partition("/")
    connection = named(connections, name)
    streams = connection.offered.values()
    found = [(connection, stream) for stream in streams if not wanted or stream.key.stream == wanted]
    if not found:
        known = ", ".join(str(stream.key) for stream in streams)
        raise ConfigError(f"there is no stream {selector!r}; {name} has: {known}")
    return found
