"""One Dagster instance for command line, webserver and daemon, and what this project uses of Dagster's inside.

Dagster may change the latter; each use says why it is needed. Not here: runs that are old (`old_runs.py`).
"""

import errno
import os
import shutil
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from journey_pipeline.errors import HistoryError, text_of
from journey_pipeline.files import exclusive, refusal, write_bytes
from journey_pipeline.settings import local_path, make_home


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silences Dagster's notes that these may still change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


_INDEX = "index"
_REPLACED = ("run_connection", "index_connection")
_BUSY_TIMEOUT_S = 60.0  # how long another process may be writing


@contextmanager
def history_kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keeps connections to the files of the history; does nothing where it isn't in SQLite.

    Dagster opens and closes the files and compiles its statements anew for every event, some ten of them for each
    partition. And it waits for the disk with every commit: here SQLite writes ahead without waiting. A process that is
    killed loses nothing by that; a power cut may cost the last events of the history, which the lake doesn't rest on.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage) or _is_kept(storage):
        yield
        return
    kept = _Kept(storage)
    # On this one object, so that its own methods use it; the class is Dagster's.
    vars(storage).update(zip(_REPLACED, (kept.connect, lambda: kept.connect(_INDEX)), strict=True))
    try:
        yield
    finally:
        for name in _REPLACED:
            vars(storage).pop(name, None)
        kept.close()


def _is_kept(storage: SqliteEventLogStorage) -> bool:
    return all(name in vars(storage) for name in _REPLACED)


@dataclass(slots=True)
class _Kept:
    """An engine for each file of a history, which keeps its connections and its compiled statements."""

    storage: SqliteEventLogStorage
    _engines: dict[str, Engine] = field(default_factory=dict)
    _one_at_a_time: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def connect(self, shard: str) -> Iterator[Connection]:
        """A connection in a transaction, as Dagster's storage gives it."""
        with self._one_at_a_time:
            if shard not in self._engines:
                self._engines[shard] = self._open(shard)
            with self._engines[shard].connect() as connection, connection.begin():
                yield connection

    def close(self) -> None:
        """Closes all engines. When the last process closes, SQLite folds its log into the file."""
        for engine in self._engines.values():
            engine.dispose()

    def _open(self, shard: str) -> Engine:
        opened: AbstractContextManager[Any] = SqliteEventLogStorage.run_connection(self.storage, shard)
        with _migrations_read_once(), opened:  # Dagster makes the tables of a new file
            engine = create_engine(self.storage.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _without_waiting)
        return engine


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("pragma synchronous = normal")


_READ_MIGRATIONS = "from_config"
_read_migrations = cache(getattr(ScriptDirectory, _READ_MIGRATIONS))


@contextmanager
def _migrations_read_once() -> Iterator[None]:
    """Lets this process read Dagster's migrations once: Dagster reads all 77 files twice for each file that it opens.

    That is most of what opening a file of the history takes.
    """
    read = vars(ScriptDirectory)[_READ_MIGRATIONS]
    setattr(ScriptDirectory, _READ_MIGRATIONS, _read_migrations)
    try:
        yield
    finally:
        setattr(ScriptDirectory, _READ_MIGRATIONS, read)


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
        # Two that make its tables at the same time break one another.
        with exclusive(folder / ".opening.lock"), _migrations_read_once():
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
        return HistoryError(f"Dagster's history can't be used: {folder} is missing. Mount its disk, or restore it.")
    said = text_of(getattr(error, "orig", None) or error).splitlines()[0]
    return HistoryError(
        f"Dagster's history in {folder} can't be used ({said}). If this user may "
        "write there, move the damaged file away: it is made again, and holds no data of vendors."
    )
