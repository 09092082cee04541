"""One Dagster instance for command line, webserver and daemon: its folder, the files of its history, their room.

It uses Dagster's inside, which may change; each use says why it is needed. Not here: runs that are old
(`run_history.py`).
"""

import errno
import os
import shutil
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
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
_REPLACED = ("run_connection", "index_connection", "has_table", "store_event")
_BUSY_TIMEOUT_S = 60.0  # how long another process may be writing


@contextmanager
def history_kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keeps connections to the files of the history; does nothing where it isn't in SQLite.

    Dagster opens and closes the files, compiles its statements and looks for its tables anew for every event, some 14
    of them for each partition. And it waits for the disk with every commit: here SQLite writes ahead without waiting. A
    process that is killed loses nothing by that; a power cut may cost the last events of the history, which the lake
    doesn't rest on.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage) or _is_kept(storage):
        yield
        return
    kept = _Kept(storage)
    # On this one object, so that its own methods use it; the class is Dagster's.
    replacing = kept.connect, lambda: kept.connect(_INDEX), cache(storage.has_table), kept.store
    vars(storage).update(zip(_REPLACED, replacing, strict=True))
    try:
        yield
    finally:
        for name in _REPLACED:
            vars(storage).pop(name, None)
        kept.close()


def _is_kept(storage: SqliteEventLogStorage) -> bool:
    return all(name in vars(storage) for name in _REPLACED)


_EXECUTIONS = AssetCheckExecutionsTable
_LOG, _PLAN = SqlEventLogStorageTable.insert(), _EXECUTIONS.insert()
_OF = ("asset_key", "check_name", "run_id", "partition")  # a planned evaluation
_EVALUATE = _EXECUTIONS.update().where(*(_EXECUTIONS.c[name] == sa.bindparam(f"of_{name}") for name in _OF))


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

    def store(self, event: EventLogEntry) -> None:
        """Stores an event as Dagster does.

        Most events are of the checks of a partition: Dagster makes each of them JSON twice, a planned one for each
        partition, and builds three statements.
        """
        about = event.dagster_event and event.dagster_event.event_specific_data
        planned = isinstance(about, AssetCheckEvaluationPlanned) and about.partitions_subset
        if not planned and not (isinstance(about, dg.AssetCheckEvaluation) and about.partition and event.run_id):
            SqliteEventLogStorage.store_event(self.storage, event)
            return
        logged = _logged(event)
        with self.connect(event.run_id) as connection:
            connection.execute(_LOG, logged)
        with self.connect(_INDEX) as connection:
            row = connection.execute(_LOG, logged).lastrowid
            told = _told(event.run_id, about, logged, row)
            if planned:
                partitions = planned.get_partition_keys()
                connection.execute(_PLAN, [{**told, "partition": partition} for partition in partitions])
                return
            of = {f"of_{name}": told[name] for name in _OF}
            if connection.execute(_EVALUATE, told | of).rowcount == 0:
                connection.execute(_PLAN, told)

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


def _logged(event: EventLogEntry) -> dict[str, Any]:
    """An event of a check in the log of events."""
    return {
        "run_id": event.run_id,
        "event": dg.serialize_value(event),
        "dagster_event_type": event.get_dagster_event().event_type_value,
        "timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None),
        "step_key": event.get_dagster_event().step_key,
    }


def _told(run_id: str, about: Any, logged: Mapping[str, Any], row: int) -> dict[str, Any]:
    """The same among the executions of checks, of which there is one for each partition and run."""
    status, told = AssetCheckExecutionRecordStatus.PLANNED, {}
    if isinstance(about, dg.AssetCheckEvaluation):
        status = AssetCheckExecutionRecordStatus.SUCCEEDED if about.passed else AssetCheckExecutionRecordStatus.FAILED
        target = about.target_materialization_data
        told = {"partition": about.partition, "materialization_event_storage_id": target and target.storage_id}
    return told | {
        "asset_key": about.asset_key.to_string(),
        "check_name": about.check_name,
        "run_id": run_id,
        "execution_status": status.value,
        "evaluation_event": logged["event"],
        "evaluation_event_timestamp": logged["timestamp"],
        "evaluation_event_storage_id": row,
    }


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("pragma synchronous = normal")


_READ_MIGRATIONS = "from_config"
_read_migrations = cache(getattr(ScriptDirectory, _READ_MIGRATIONS))


@contextmanager
def _migrations_read_once() -> Iterator[None]:
    """Makes this process read Dagster's 77 migrations once; Dagster reads them twice for each file that it opens."""
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
    with _migrations_read_once():
        yield from _opened(use_dagster_home())


def _opened(folder: Path) -> Iterator[dg.DagsterInstance]:
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
    """A message about Dagster's folder, from the first error."""
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


BUSY_S = 10.0  # how long to wait for others that write
PAGES = 1000  # given back at a time
_INCREMENTAL = 2
_SMALL_PAGE = 512


def pack(file: Path) -> None:
    """Makes the file of a run's log as small as it gets: its tables are many and nearly empty, a page each and more.

    A file that another process has open stays as it is.

    Raises:
        sqlite3.Error: If it can't be written.
    """
    with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE").fetchall()  # pages keep their size in the other mode
        database.execute(f"PRAGMA page_size = {_SMALL_PAGE}")
        database.execute("VACUUM")


def is_packed(file: Path) -> bool:
    """Whether `pack` has been done to a file."""
    with file.open("rb") as opened:
        return opened.read(18)[16:] == _SMALL_PAGE.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result of compacting one file. `why_not`: why it is as it was; empty unless something kept it."""

    file: Path
    bytes: int
    why_not: str = ""


def compact_history(instance: dg.DagsterInstance) -> list[Compacted]:
    """Makes the files of runs, events and ticks smaller; none if they are in another database."""
    return [_compact(file) for file in history_files(instance)]


def history_files(instance: dg.DagsterInstance) -> list[Path]:
    """The SQLite files of a history, without the log of each run."""
    runs: Any = instance.run_storage
    events: Any = instance.event_log_storage
    ticks: Any = instance.schedule_storage
    connections = [runs.connect(), events.index_connection(), *([ticks.connect()] if ticks else [])]
    return sorted({file for connection in connections for file in _files_of(connection)})


def _files_of(connection: Any) -> Iterator[Path]:
    with connection as opened:
        if opened.dialect.name == "sqlite":
            rows = opened.execute(sa.text("PRAGMA database_list")).all()
            yield from (Path(row[2]) for row in rows if row[2])


def _compact(file: Path) -> Compacted:
    before = _size(file)
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as database:
            if why_not := _give_back(database, file):
                return Compacted(file, 0, why_not)
    except sqlite3.Error as error:
        return Compacted(file, max(before - _size(file), 0), text_of(error))
    return Compacted(file, before - _size(file))


def _give_back(database: sqlite3.Connection, file: Path) -> str:
    """Makes a file smaller, or says why it can't."""
    if _pragma(database, "auto_vacuum") != _INCREMENTAL:
        used = (_pragma(database, "page_count") - _pragma(database, "freelist_count")) * _pragma(database, "page_size")
        if shutil.disk_usage(file.parent).free < 2 * used:
            return f"the disk lacks the room to make it anew ({2 * used / 1e6:,.0f} MB)"
        database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        database.execute("VACUUM")
    while _pragma(database, "freelist_count"):
        database.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return ""


def _pragma(database: sqlite3.Connection, name: str) -> int:
    (value,) = database.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _size(file: Path) -> int:
    wal = file.with_name(file.name + "-wal")
    return sum(path.stat().st_size for path in (file, wal) if path.exists())
