"""One Dagster instance for command line, webserver and daemon, whose history lasts with nothing configured.

`DAGSTER_HOME` wins; without it the instance lies in `$JOURNEY_PIPELINE_HOME/dagster`. Not here: the runs that are
recorded there (`runs.py`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import dagster as dg

from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.lake.disk import refusal
from journey_pipeline.lake.locking import exclusive
from journey_pipeline.settings import local_path, make_home

HOME_VARIABLE = "DAGSTER_HOME"


def use_dagster_home() -> Path:
    """Sets `DAGSTER_HOME` for this process and its children where it is not set, and gives it.

    A folder without a `dagster.yaml` gets the one that comes with the package.

    Raises:
        ConfigError: If the variable holds a URL, or the folder can't be made or written.
    """
    given = os.environ.get(HOME_VARIABLE, "").strip()
    folder = local_path(given, HOME_VARIABLE) if given else make_home() / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "dagster.yaml"
        if not given and not configuration.exists():
            write_bytes(configuration, (files("journey_pipeline.components") / "dagster.yaml").read_bytes())
    except OSError as error:
        raise ConfigError(f"Dagster's folder can't be made: {refusal(error, folder)}") from error
    os.environ[HOME_VARIABLE] = str(folder)
    return folder


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance that command line, webserver and daemon share."""
    folder = use_dagster_home()
    with exclusive(folder / ".opening.lock"):  # two that make its tables at the same time break one another
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance
