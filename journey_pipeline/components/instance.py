"""One Dagster instance for command line, webserver and daemon, whose history lasts with nothing configured.

`DAGSTER_HOME` wins; without it the instance lies in `$JOURNEY_PIPELINE_HOME/dagster`. Not here: the runs that are
recorded there (`runs.py`).
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from journey_pipeline.errors import HistoryError, text_of
from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.lake.disk import refusal
from journey_pipeline.lake.locking import exclusive
from journey_pipeline.settings import local_path, make_home

HOME_VARIABLE = "DAGSTER_HOME"
ROOM_OF_SQLITE = 1 << 20


def use_dagster_home() -> Path:
    """Sets `DAGSTER_HOME` for this process and its children where it is not set, and gives it.

    A folder without a `dagster.yaml` gets the one that comes with the package.

    Raises:
        ConfigError: If the variable holds a URL.
        HistoryError: If the folder can't be made or written.
    """
    given = os.environ.get(HOME_VARIABLE, "").strip()
    folder = local_path(given, HOME_VARIABLE) if given else make_home() / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "dagster.yaml"
        if not given and not configuration.exists():
            write_bytes(configuration, (files("journey_pipeline.components") / "dagster.yaml").read_bytes())
    except OSError as error:
        raise HistoryError(f"Dagster's folder can't be made: {refusal(error, folder)}") from error
    os.environ[HOME_VARIABLE] = str(folder)
    return folder


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance that command line, webserver and daemon share.

    Raises:
        HistoryError: If its files can't be opened; or, inside the block, read and written.
    """
    folder = use_dagster_home()
    try:
        with exclusive(folder / ".opening.lock"):  # two that make its tables at the same time break one another
            instance = dg.DagsterInstance.get()
    except Exception as error:  # whatever it is, it is of this folder
        raise _unusable(folder, error) from error
    try:
        with instance:
            yield instance
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _unusable(folder, error) from error


def _is_full(folder: Path) -> bool:
    """Whether SQLite's log of what is under way would not fit: it calls that an I/O error."""
    return shutil.disk_usage(folder).free < ROOM_OF_SQLITE


def _unusable(folder: Path, error: Exception) -> HistoryError:
    """What is wrong with Dagster's folder, from the error that began it."""
    cause: BaseException | None = error
    while cause:
        if "disk is full" in str(cause) or ("disk I/O error" in str(cause) and _is_full(folder)):
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if isinstance(cause, OSError) and cause.strerror:
            return HistoryError(f"Dagster's history can't be used: {refusal(cause, folder)}")
        cause = cause.__cause__ or cause.__context__
    if not folder.is_dir():
        return HistoryError(
            f"Dagster's history can't be used: {folder} is no longer there. Mount its disk, or put it back."
        )
    said = text_of(getattr(error, "orig", None) or error).splitlines()[0]
    return HistoryError(
        f"Dagster's history in {folder} can't be used ({said}). If this user may "
        "write there, move the damaged file away: it is made anew, and nothing that was brought home is in it."
    )
