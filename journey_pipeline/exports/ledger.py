"""The ledger of exports: its tables, its transactions, and the one function that changes an export's state.

Times are stored in UTC and come back aware from both databases. The version that was read guards each change: of two
pollers one wins, and the other gets `ExportMovedOn`. Not here: opening the database and bringing an earlier one to this
version (`database.py`), what follows from an answer (`queue.py`), how exports come to be (`orders.py`), vendors' calls
(`calls.py`), what people see (`turns.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, Connection, Integer, RowMapping, Select, String, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from journey_pipeline.errors import ExportMovedOn, LedgerError, text_of
from journey_pipeline.exports.export import ENDED, TRANSITIONS, Edge, Export, Reason, State
from journey_pipeline.model import StreamKey, Window
from journey_pipeline.processes import this_process
from journey_pipeline.settings import LEDGER_VARIABLE
from journey_pipeline.transport.redaction import everywhere

SCHEMA_VERSION = 3
_COUNTERS = ("version", "attempt", "polls", "tries", "failures", "losses")


class Instant(sa.TypeDecorator[datetime]):
    """An aware instant. SQLite has no time zones and stores the UTC digits."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Converts a value to UTC for the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Converts a value of the database to an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

schema = Table(
    "journey_export_schema",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("fingerprint", String),  # random: by it two processes know that they use the same ledger
)

# One row a connection. A process locks it while it orders or picks, so two processes together keep a limit.
queues = Table(
    "journey_export_queues",
    metadata,
    Column("connection", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("held_until", Instant),
)

exports = Table(
    "journey_exports",
    metadata,
    Column("id", Integer, primary_key=True),
    *(Column(name, String, nullable=False) for name in ("vendor", "connection", "stream", "partition_key")),
    Column("window_start", Instant, nullable=False),
    Column("window_end", Instant, nullable=False),
    Column("request", sa.JSON, nullable=False),
    Column("parent_id", sa.ForeignKey("journey_exports.id")),
    Column("root_id", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String),
    *(Column(name, Integer, nullable=False) for name in _COUNTERS),
    Column("vendor_export_id", sa.Text),
    Column("poll_address", sa.Text),  # encrypted, see `Vault`
    Column("generation", Integer),
    Column("lease", String),
    Column("leased_until", Instant),
    Column("due_at", Instant, nullable=False),
    Column("wanted_at", Instant, nullable=False),
    *(Column(name, Instant) for name in ("asked_at", "requested_at", "polled_at", "ready_at", "landed_at")),
    Column("changed_at", Instant, nullable=False),
    Column("last_status", Integer),
    Column("error", sa.Text),
    sa.Index("journey_exports_due", "connection", "state", "due_at"),
    sa.Index("journey_exports_root", "root_id"),
    sa.Index("journey_exports_window", "connection", "stream", "window_start"),
    sqlite_autoincrement=True,  # an id is never reused
)

# Every change of state, in order: the history of each export, and the number of a connection's requests on a day.
transitions = Table(
    "journey_export_transitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", sa.ForeignKey("journey_exports.id"), nullable=False),
    *(Column(name, String, nullable=False) for name in ("connection", "edge", "from_state", "to_state")),
    Column("reason", String),
    Column("at", Instant, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Integer),
    Column("error", sa.Text),
    sa.Index("journey_export_transitions_export", "export_id"),
    sa.Index("journey_export_transitions_day", "connection", "edge", "at"),
    sqlite_autoincrement=True,
)

# Where a vendor calls: one hook for each attempt. The nonce is in its address, and here only as a hash.
hooks = Table(
    "journey_export_hooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", sa.ForeignKey("journey_exports.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("nonce_sha256", String, nullable=False, unique=True),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    sa.Index("journey_export_hooks_export", "export_id"),
    sqlite_autoincrement=True,
)

# What vendors said on them, and the links that people gave by hand.
callbacks = Table(
    "journey_export_callbacks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", sa.ForeignKey("journey_exports.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("peer", String, nullable=False),
    Column("said_sha256", String, nullable=False),  # of the link's path, or of the body where there is no link
    Column("verdict", String, nullable=False),
    Column("says", sa.Text),
    Column("ends_at", Instant, nullable=False),  # the link's end
    Column("body", sa.Text),  # encrypted, see `Vault`; forgotten when it is of no more use
    sa.Index("journey_export_callbacks_export", "export_id"),
    sqlite_autoincrement=True,
)


_LONGEST_ERROR = 1000
NO_LEASE: dict[str, Any] = {"lease": None, "leased_until": None}


def lease(at: datetime, duration: timedelta) -> dict[str, Any]:
    """Columns that lease an export to this process for a while."""
    return {"lease": f"{uuid.uuid4().hex}/{this_process()}", "leased_until": at + duration}


def after(state: State, edge: Edge) -> State:
    """The state at the end of an edge.

    Raises:
        LedgerError: If no such edge leaves the state.
    """
    sources, target = TRANSITIONS[edge]
    if state not in sources:
        raise LedgerError(
            f"an export that is {state} can't {edge}: that is for one that is {', '.join(sorted(sources))}. "
            "Read the export again and go by its state."
        )
    return target


class Vault:
    """Encrypts and decrypts addresses.

    Args:
        keys: The first one encrypts, all of them decrypt; as `Fernet.generate_key` makes them.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, address: str) -> str:
        """An address as the ledger keeps it."""
        return self._fernet.encrypt(address.encode()).decode()

    def unseal(self, sealed: str) -> str | None:
        """The address; None if none of the keys is the one that it was encrypted with."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


class Ledger(AbstractContextManager["Ledger"]):
    """The ledger of exports. Several threads and processes may use it at the same time.

    Args:
        engine: Engine of its database, from `database.open_ledger`.
    """

    def __init__(self, engine: sa.Engine, vault: Vault) -> None:
        self._engine = engine
        self.vault = vault

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._engine.dispose()

    def fingerprint(self) -> str:
        """A random text that this ledger alone has: by it another process is known to use the same one."""
        with self.reading() as tx:
            return str(tx.rows(select(schema.c.fingerprint))[0]["fingerprint"])

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that only reads, and never waits."""
        with explained("reading the ledger of exports"), self._engine.connect() as connection:
            yield Transaction(connection.execution_options(reads=True), self.vault)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that writes all of its changes, or none."""
        with explained("writing to the ledger of exports"), self._engine.begin() as connection:
            yield Transaction(connection, self.vault)


def begin(connection: Connection) -> None:
    """Begins a transaction in SQLite: one that writes waits for the others at once."""
    connection.exec_driver_sql("BEGIN" if _only_reads(connection) else "BEGIN IMMEDIATE")


def _only_reads(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("reads"))


class Transaction:
    """Reads and changes of the ledger in one transaction.

    Args:
        connection: A connection to the database, in a transaction.
    """

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self.vault = vault

    def lock_queue(self, connection: str) -> None:
        """Locks a connection's queue until the end of the transaction, so no other process orders or picks."""
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        made = dialect.insert(queues).values(connection=connection, position=0).on_conflict_do_nothing()
        self.write(made)
        self._connection.execute(select(queues).where(queues.c.connection == connection).with_for_update())

    def next_position(self, connection: str) -> int:
        """The next position in a locked queue."""
        mine = queues.c.connection == connection
        self.write(update(queues).where(mine).values(position=queues.c.position + 1))
        return self.count(select(queues.c.position).where(mine))

    def hold_queue(self, connection: str, until: datetime) -> None:
        """Delays all orders of a connection until then."""
        self.write(update(queues).where(queues.c.connection == connection).values(held_until=until))

    def held_until(self, connection: str) -> datetime | None:
        """The time until which a connection's orders are delayed; None if they never were."""
        return self._connection.scalar(select(queues.c.held_until).where(queues.c.connection == connection))

    def find(self, query: Select[Any]) -> list[Export]:
        """The exports of a query over `exports`."""
        return [export_of(row, self.vault) for row in self._connection.execute(query).mappings()]

    def rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        """The rows of a query."""
        return self._connection.execute(query).mappings().all()

    def write(self, statement: sa.UpdateBase) -> None:
        """Runs a statement that writes."""
        self._connection.execute(statement)

    def count(self, query: Select[Any]) -> int:
        """The number that a query returns."""
        return self._connection.scalar(query) or 0

    def get(self, export_id: int) -> Export:
        """An export as it is now, locked until the end of a writing transaction.

        Raises:
            LedgerError: If there is none of that id.
        """
        if found := self._locked(select(exports).where(exports.c.id == export_id)):
            return found[0]
        raise LedgerError(f"the ledger knows no export {export_id}: `journey-pipeline exports` lists them")

    def tree(self, root_id: int) -> list[Export]:
        """An export and its parts, in the order in which they were made; locked as by `get`."""
        return self._locked(select(exports).where(exports.c.root_id == root_id).order_by(exports.c.id))

    def _locked(self, query: Select[Any]) -> list[Export]:
        return self.find(query if _only_reads(self._connection) else query.with_for_update())

    def add(self, values: dict[str, Any]) -> Export:
        """Adds an export. Without `root_id` it is its own root."""
        done = self._connection.execute(insert(exports).values({**dict.fromkeys(_COUNTERS, 0), "root_id": 0, **values}))
        export_id = int(next(iter(done.inserted_primary_key or ())))
        if "root_id" not in values:
            self.write(update(exports).where(exports.c.id == export_id).values(root_id=export_id))
        return self.get(export_id)

    def move(self, export: Export, edge: Edge, *, at: datetime, reason: Reason | None = None, **changes: Any) -> Export:
        """Takes an export along an edge, notes it, and clears its lease unless the changes set one.

        Raises:
            LedgerError: If no such edge leaves its state.
            ExportMovedOn: If it is no longer as it was read.
        """
        target = after(export.state, edge)
        moved = self.change(export, at=at, state=target, reason=reason, **{**NO_LEASE, **changes})
        whose = {"export_id": export.id, "connection": export.key.connection, "attempt": moved.attempt}
        step = {"edge": edge, "from_state": export.state, "to_state": target, "reason": reason, "at": at}
        said = {"status": changes.get("last_status"), "error": moved.error if "error" in changes else None}
        self.write(insert(transitions).values(**whose, **step, **said))
        if target in ENDED:  # what the vendor called with is a secret, and of no more use
            self.write(update(callbacks).where(callbacks.c.export_id == export.id).values(body=None))
        return moved

    def change(self, export: Export, *, at: datetime, **changes: Any) -> Export:
        """Changes columns of an export, but not its state.

        Raises:
            ExportMovedOn: If it is no longer as it was read.
        """
        as_read = (exports.c.id == export.id) & (exports.c.version == export.version)
        changes |= {"version": export.version + 1, "changed_at": at}
        if error := changes.get("error"):
            changes["error"] = everywhere(error)[:_LONGEST_ERROR]
        if address := changes.get("poll_address"):
            changes["poll_address"] = self.vault.seal(address)
        if not self._connection.execute(update(exports).where(as_read).values(**changes)).rowcount:
            raise ExportMovedOn(f"another process has changed {export} meanwhile; read it again")
        return self.get(export.id)

    def set_lease(self, export: Export, **changes: Any) -> bool:
        """Changes the lease of an export for its holder. The version does not guard it: others' claims end it."""
        held = (exports.c.id == export.id) & (exports.c.lease == export.lease)
        return bool(self._connection.execute(update(exports).where(held).values(**changes)).rowcount)


def export_of(row: RowMapping, vault: Vault) -> Export:
    """The export in a row of `journey_exports`."""
    fields: dict[str, Any] = dict(row)
    sealed = fields.pop("poll_address")
    address = vault.unseal(sealed) if sealed else None
    key = StreamKey(fields.pop("vendor"), fields.pop("connection"), fields.pop("stream"))
    window = Window(fields.pop("window_start"), fields.pop("window_end"))
    partition, state, reason = fields.pop("partition_key"), State(fields.pop("state")), fields.pop("reason")
    return Export(
        key=key,
        window=window,
        partition=partition,
        state=state,
        reason=None if reason is None else Reason(reason),
        poll_address=address,
        has_unreadable_address=bool(sealed) and address is None,
        **fields,
    )


# SQLite's messages for a damaged file.
_DAMAGED = ("file is not a database", "database disk image is malformed")
_MOVE_IT_AWAY = (
    "It is damaged. Move the file away, with the files of the same name beside it; it holds no landed data. Then "
    "`journey-pipeline backfill CONNECTION` orders the exports under way again."
)
_TRY_AGAIN = (
    f"If it can't be reached, check {LEDGER_VARIABLE}, the disk and the rights. Then try again: no change was half "
    "written."
)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns errors of the library into `LedgerError`: what was tried, what came back, what to do next."""
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words, on one line: the library would add the statement.
        said = " ".join(text_of(getattr(error, "orig", None) or error).split())
        advice = _MOVE_IT_AWAY if any(words in said for words in _DAMAGED) else _TRY_AGAIN
        raise LedgerError(f"{doing} failed: {everywhere(said)}. {advice}") from error
