"""Dagster's history in SQLite kept open while a step records many events there.

Not here: what is recorded (`recording.py`), which instance it is (`instance.py`).
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine, event

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
        """Closes them all; whoever is the last to close has SQLite fold its log into the file."""
        for engine in self._engines.values():
            engine.dispose()

    def _open(self, shard: str) -> Engine:
        opened: AbstractContextManager[Any] = SqliteEventLogStorage.run_connection(self.storage, shard)
        with opened:  # Dagster makes the tables of a new file
            engine = create_engine(self.storage.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _without_waiting)
        return engine


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("pragma synchronous = normal")
