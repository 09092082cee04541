"""Where the warehouse's files lie, how a DuckDB session on them is opened, and that one writer at a time has them.

Not here: what is in them (`schema.py`).
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError, text_of
from journey_pipeline.files import met_disk_trouble, refusal
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import published_place, storage_version
from journey_pipeline.sql import literal

_HANDFUL = 5
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_file_cache": False,  # it outlives the session, in which a file of the lake may be replaced
}
_FEW_EVENTS = 10_000  # with so few, handing work over to a second thread costs more than that takes off the first


class UnopenableWarehouse(WarehouseError):  # noqa: N818 - it names the file's state
    """DuckDB can't open the file, and it is not locked: the file is damaged, or a later DuckDB wrote it."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file.name} can't be opened ({why}). Run `journey-pipeline sync` to make it again from the lake."
        )
        self.why = why


@dataclass(frozen=True, slots=True)
class WarehouseSettings:
    """Limits of writing the warehouse.

    Attributes:
        memory: DuckDB's memory limit; it spills to disk beyond.
        lock_wait_s: How long to wait while another process writes.
        batch_rows: How many new events are sorted and inserted at a time.
        removable: Up to which share of a stream's partitions go from the warehouse because they are not in the lake any
            more; a handful may always go, all of them never.
        remove: Whether everything goes that is not in the lake any more, because a person said so.
    """

    memory: str = "1.8GB"
    threads: int = 2
    lock_wait_s: float = 60.0
    batch_rows: int = 1_000_000
    removable: float = 0.05
    remove: bool = False

    def may_go(self, gone: int, of: int) -> bool:
        """Whether so many of what is loaded may go once the lake lacks them: a wish then, no disk that is gone."""
        return self.remove or gone == 0 or (gone < of and gone <= max(_HANDFUL, self.removable * of))


def warehouse_file(lake: Lake) -> Path:
    """The warehouse that only this package opens."""
    return lake.home / "warehouse.duckdb"


def published_file(lake: Lake) -> Path:
    """The file that analysts open, in the home unless `JOURNEY_PIPELINE_PUBLISHED_FILE` names another place."""
    return published_place() or lake.home / "journeys.duckdb"


def wal_of(file: Path) -> Path:
    """Where DuckDB keeps what is committed but not yet in a database file."""
    return file.with_name(file.name + ".wal")


@contextmanager
def writing(file: Path, settings: WarehouseSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session that may write; the caller holds the writer's lock.

    Raises:
        UnopenableWarehouse: If the file is there and DuckDB can't open it.
        WarehouseError: If another program has it open, or anything in the session fails.
    """
    spill = file.with_name(file.name + ".tmp")
    shutil.rmtree(spill, ignore_errors=True)  # what a killed writer spilled
    failing = naming_failures(f"writing {file.name}", "run `journey-pipeline rebuild` if it happens again", file.parent)
    with failing, _session(settings.memory, settings.threads, spill) as session:
        _open(session, file)
        yield session


def expect_events(session: duckdb.DuckDBPyConnection, count: int) -> None:
    """Sets a session that writes to what costs least for so many new events, until it ends."""
    if count < _FEW_EVENTS:
        session.execute("set threads = 1")


def _open(session: duckdb.DuckDBPyConnection, file: Path) -> None:
    try:
        _attach(session, file, "" if file.exists() else f"(storage_version {literal(storage_version())})")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if is_locked(error) and not met_disk_trouble(error):
            raise WarehouseError(
                f"another program has {file.name} open ({describe(error)}). Close it there, "
                "open journeys.duckdb instead, and run the command again."
            ) from error
        if not file.exists() or not os.access(file, os.R_OK | os.W_OK) or met_disk_trouble(error):
            raise
        raise UnopenableWarehouse(file, describe(error)) from error


def is_locked(error: duckdb.Error) -> bool:
    """Whether another program has the file open in a way that keeps this one out."""
    return "Could not set lock on file" in str(error)


@contextmanager
def reading(lake: Lake, file: Path, memory: str = "1GB", threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session that reads a file, as catalog `warehouse`.

    DuckDB would give two connections of one process to one path the same database, which would be the file as it was
    before the last publish: so the file is attached.
    """
    with _session(memory, threads, _spill_of_reader(lake) / f"reader-{file.stem}-{os.getpid()}") as session:
        _attach(session, file, "(read_only)")
        yield session


def _spill_of_reader(lake: Lake) -> Path:
    """The lake's folder for work; the machine's for an analyst who can't write the home, or has none."""
    with suppress(OSError):
        lake.work_dir.mkdir(exist_ok=True)
    return lake.work_dir if os.access(lake.work_dir, os.W_OK) else Path(tempfile.gettempdir())


def _attach(session: duckdb.DuckDBPyConnection, file: Path, options: str) -> None:
    session.execute(f"attach {literal(str(file))} as warehouse {options}")
    session.execute("use warehouse")


_IDLE: list[duckdb.DuckDBPyConnection] = []
"""A DuckDB without a file, ready for the next session."""


@contextmanager
def _session(memory: str, threads: int, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session of a DuckDB that is kept for the next one: opening a DuckDB takes five times as long as a file.

    It is not kept after an error, nor if it has spilled: it can't be given another folder any more.
    """
    engine = _idle() or duckdb.connect(config=_CONFIG)
    try:
        engine.execute(f"set memory_limit = {literal(memory)}; set temp_directory = {literal(str(spill))}")
        engine.execute(f"set threads = {threads}")
        with engine.cursor() as session:
            session.execute("set timezone = 'UTC'")
            yield session
        engine.execute("detach database if exists warehouse; set threads = 1")
    except BaseException:
        engine.close()
        raise
    if spill.exists() or _IDLE:
        engine.close()
    else:
        _IDLE.append(engine)


def _idle() -> duckdb.DuckDBPyConnection | None:
    with suppress(IndexError):  # there is none, or another thread took it
        return _IDLE.pop()
    return None


@atexit.register
def _close_idle() -> None:
    while engine := _idle():
        engine.close()


# A forked process can't use its parent's, nor take it apart.
os.register_at_fork(before=_close_idle)


@contextmanager
def naming_failures(attempt: str, heal: str, folder: Path | None = None) -> Iterator[None]:
    """Turns DuckDB's errors into a WarehouseError that holds no value of any row.

    Args:
        folder: Where it writes, if it does; trouble with the disk is then named as such.
    """
    try:
        yield
    except duckdb.Error as error:
        if folder and (trouble := met_disk_trouble(error)):
            raise WarehouseError(f"{attempt} failed: {refusal(trouble, folder)}") from error
        raise WarehouseError(f"{attempt} failed: {describe(error)}; {heal}.") from error


def describe(error: duckdb.Error) -> str:
    """A DuckDB error in one line; where its text could quote a row's values, only what kind it is."""
    kind = type(error).__name__
    quotes_no_rows = (
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.IOException,
        duckdb.OutOfMemoryException,
        duckdb.ParserException,
        duckdb.PermissionException,
        duckdb.SyntaxException,
        duckdb.TransactionException,
    )
    if isinstance(error, quotes_no_rows):
        return text_of(error).splitlines()[0]
    return kind


_POLL_S = 0.05


class WriterAtWork(WarehouseError):  # noqa: N818 - it names what is so
    """Another process or thread holds the right to write the warehouse."""


@contextmanager
def writer_lock(lake: Lake, wait_s: float) -> Iterator[None]:
    """Holds the right to write the warehouse.

    Raises:
        WriterAtWork: If another process or thread still holds it after `wait_s`; says which.
        WarehouseError: If the home can't be written.
    """
    path = lake.home / "warehouse.lock"
    with _open_lock(path) as file:
        _wait(file, path, wait_s)
        with suppress(OSError):  # on a full disk the holder's name is missing; the lock itself needs no space
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "command": _command()}))
            file.flush()
        yield


def _open_lock(path: Path) -> TextIOWrapper:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WarehouseError(f"locking the warehouse failed: {refusal(error, path.parent)}") from error


def _wait(file: TextIOWrapper, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise WriterAtWork(
                    f"another process is writing the warehouse: {_holder(path)}. Waited {wait_s:g} s; try again when "
                    "it is done, or end that process: its transaction is then undone."
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, `{holder['command']}`"
    except (OSError, ValueError, KeyError):
        return "one that has only just begun"


def _command() -> str:
    # The program and its first word only: what follows may be anything a person typed.
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])


def number_of(session: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """The one number that a statement answers; of one that changes rows, how many."""
    ((found,),) = session.execute(sql, list(parameters)).fetchall()
    return int(found)
