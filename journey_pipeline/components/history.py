"""Dagster's history in SQLite kept open while a step records many events there.

Not here: what is recorded (`recording.py`), which instance it is (`instance.py`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

_INDEX = "index"


@contextmanager
def history_kept_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Holds a connection to each file of a run's history; does nothing where the history isn't in SQLite.

    Dagster opens and closes the files for every event. Whoever closes one last has SQLite fold its log into it and
    flush both to disk, which takes longer than the event itself; with these connections nobody is last.
    """
    storage = instance.event_log_storage
    with ExitStack() as stack:
        if isinstance(storage, SqliteEventLogStorage):
            for shard in (_INDEX, run_id):
                file = Path(storage.path_for_shard(shard))
                if file.exists():
                    # The step's generator may be closed by another thread than the one that started it.
                    connection = sqlite3.connect(file, check_same_thread=False)
                    stack.enter_context(closing(connection))
                    connection.execute("select 1 from sqlite_master").fetchone()  # opened at the first statement only
        yield
