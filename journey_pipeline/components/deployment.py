"""The connections and assets of the deployment in the working directory, for the command line.

That is the Dagster project whose `pyproject.toml` or `dg.toml` stands in the working directory or above it; elsewhere
it is the `defs/` folder that comes with this package. Not here: running anything (`runs.py`).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
from dagster_shared.utils.config import discover_config_file
from pydantic import ValidationError

import journey_pipeline.defs
from journey_pipeline.components.connection import ConnectionComponent, connections_in
from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.warehouse import JourneyWarehouse
from journey_pipeline.connections.project import named, select
from journey_pipeline.errors import ConfigError, JourneyError, text_of

# Pydantic's own words in the place of a value.
_TYPES = re.compile(r"\.(constrained-[a-z]+|[a-z-]+\[.*\]|(bool|float|int)(?= at ))")


@dataclass(frozen=True)
class Deployment:
    """The configured connections of the project in which the command runs.

    Each property raises ConfigError if a `defs.yaml` is wrong; it says which and why.
    """

    tree: dg.ComponentTree

    @cached_property
    def connections(self) -> list[ConnectionComponent]:
        """The configured connections."""
        with _loading():
            return connections_in(self.tree)

    @cached_property
    def warehouses(self) -> list[JourneyWarehouse]:
        """The configured warehouse, if there is one."""
        with _loading():
            return list(self.tree.get_all_components(of_type=JourneyWarehouse))

    @cached_property
    def definitions(self) -> dg.Definitions:
        """All assets, checks, schedules and sensors.

        Without the schemas of all installed Components, which only the UI shows: they take longer than all else here.
        """
        with _loading(), accepted_previews():
            return self.tree.build_defs(self.tree.defs_module_path)

    def connection(self, name: str) -> ConnectionComponent:
        """A connection by its name.

        Raises:
            ConfigError: If there is none; names those there are.
        """
        return named(self.connections, name)

    def streams(self, selector: str | None = None) -> Sequence[LoadAssets]:
        """All streams, those of a connection, or the one of `connection/stream`.

        Raises:
            ConfigError: If there is no such connection or stream; names those there are.
        """
        chosen = [stream.key for _, stream in select(self.connections, selector)]
        return [assets for one in self.connections for assets in one.streams if assets.stream.key in chosen]

    def loaded_by(self, command: str, selector: str | None = None) -> list[LoadAssets]:
        """The streams, as `streams` gives them, that a command loads.

        Raises:
            ConfigError: If it loads none of them; names the command that does.
        """
        chosen = self.streams(selector)
        found = [assets for assets in chosen if assets.stream.loaded_by == command]
        if not found and selector:
            other = f"journey-pipeline {chosen[0].stream.loaded_by} {chosen[0].stream.key.connection}"
            raise ConfigError(f"{selector} can't be loaded by `{command}`; load it with `{other}`")
        return found


def is_in_project(folder: Path) -> bool:
    """Whether a folder lies in a Dagster project."""
    return discover_config_file(folder) is not None


def load_deployment(folder: Path | None = None) -> Deployment:
    """Finds what is configured for a folder; the working directory if None. Each `defs.yaml` is read when it is needed.

    Raises:
        ConfigError: If the folder lies in a project that can't be imported.
    """
    folder = folder or Path.cwd()
    own = Path(journey_pipeline.defs.__file__).parent
    with _loading():
        if is_in_project(folder):
            return Deployment(dg.ComponentTree.for_project(folder))
        return Deployment(dg.ComponentTree.from_module(journey_pipeline.defs, project_root=own.parent.parent))


@contextmanager
def _loading() -> Iterator[None]:
    """Inside the block whatever goes wrong, be it in a project's own code, is the configuration's."""
    try:
        yield
    except JourneyError:
        raise
    except Exception as error:
        said = text_of(error)
        if error.__cause__:  # Dagster tells all Components before the one that is wrong, and not why
            said = f"{said.splitlines()[0].rstrip(':.')}: {_why(error.__cause__)}"
        more = "`dg check yaml` and `dg check defs` tell more"
        raise ConfigError(f"the configuration can't be loaded; {more}. {said}") from error


def _why(error: BaseException) -> str:
    """The text of an error. Of wrong settings it is one line: where each stands, its value and what is wrong."""
    if not isinstance(error, ValidationError):
        return text_of(error)
    found = error.errors(include_url=False)
    # A template may stand for each value: what has another mistake is no text, besides.
    told = [one for one in found if one["type"] != "string_type"] or found
    return "; ".join(_mistake(one["type"], one["msg"], one["loc"], one["input"]) for one in told)


def _mistake(kind: str, says: str, place: tuple[int | str, ...], given: object) -> str:
    if kind == "value_error":  # of ours, which names the setting
        return says.removeprefix("Value error, ")
    where = _TYPES.sub("", ".".join(map(str, place)))
    return f"{where}{f' is {given!r}' if isinstance(given, str | int | float) else ''}: {says}"
