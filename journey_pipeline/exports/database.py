"""Opens the ledger's database: SQLite by default, PostgreSQL by URL; makes its tables, or brings them to this version.

SQLite is told to keep a write-ahead log, so that people can list exports while a poller writes, to wait for other
writers, and to have every commit on the disk before it says so: a power cut must not lose the note of an order that
was sent. A migration happens in the transaction that opens the ledger, and other processes wait: a killed process
leaves the ledger as it was.

Addresses of exports are secrets: who has one can fetch an account's history. They are encrypted with a key that does
not lie in the database: `JOURNEY_PIPELINE_LINK_KEY`, or a file beside an SQLite ledger, which is made when it is
missing. Copies of the ledger, its log and its backups then tell nothing. Not here: tables and transactions
(`ledger.py`), an address that can't be decrypted (`queue.py`).
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from journey_pipeline.errors import ConfigError, LedgerError, text_of
from journey_pipeline.exports.ledger import (
    SCHEMA_VERSION,
    Ledger,
    Vault,
    begin,
    callbacks,
    explained,
    hooks,
    metadata,
    schema,
)
from journey_pipeline.settings import LEDGER_VARIABLE, LINK_KEY_VARIABLE, link_keys

log = logging.getLogger(__name__)

_WAITS_S = 30.0
_SCHEMA_LOCK = 0x6A6F7572  # any figure that is always the same: PostgreSQL's advisory locks go by number
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


MAKE_A_KEY = "openssl rand -base64 32 | tr '+/' '-_'"
_SUFFIX = ".key"


def open_vault(url: URL) -> Vault:
    """The vault of the ledger at a URL.

    Raises:
        ConfigError: If a key is none, or a ledger in PostgreSQL has none.
        LedgerError: If the file of an SQLite ledger's key can't be read or made.
    """
    given = [_checked(key, LINK_KEY_VARIABLE) for key in link_keys()]
    if url.get_backend_name() != "sqlite":
        if not given:
            raise ConfigError(
                f"{LINK_KEY_VARIABLE} is not set: a ledger in PostgreSQL keeps the addresses of exports encrypted, and "
                f"needs a key for that. Make one with `{MAKE_A_KEY}`, keep it with the other secrets, and set it for "
                "every process that opens the ledger. An earlier ledger is encrypted when it is first opened."
            )
        return Vault(given)
    file = Path(url.database or "").with_suffix(_SUFFIX)
    # What was encrypted before the variable was set stays readable.
    kept = [_kept(file)] if not given or file.is_file() else []
    return Vault([*given, *kept])


def _kept(file: Path) -> str:
    try:
        if not file.is_file():
            _make(file)
        return _checked(file.read_text().strip(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(
            f"the key of the ledger's addresses at {file} can't be read or made ({text_of(error)}). Check the rights "
            f"of its folder, or set {LINK_KEY_VARIABLE}."
        ) from error


def _make(file: Path) -> None:
    """Makes a key that appears whole or not at all; of two who make one at once both go by the same."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Fernet.generate_key() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(part, file)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)


def _checked(key: str, source: str) -> str:
    try:
        Fernet(key)
    except ValueError:
        raise ConfigError(
            f"{source} holds no key: it must be 32 bytes as URL-safe base64, several with commas between, such as "
            f"`{MAKE_A_KEY}` makes. If the key is lost, make another one: exports under way are ordered again."
        ) from None
    return key


def open_ledger(url: str, *, waits_s: float = _WAITS_S, is_needed: bool = True) -> Ledger:
    """The ledger at a URL, its tables made or brought to this version.

    Args:
        url: `sqlite:///<path>` or `postgresql://<user>:<password>@<host>/<database>`.
        waits_s: How long it waits for others who write, once it is open.
        is_needed: Whether it must be there now. If not, it is given though it can't be reached, and each use of it
            fails until it can.

    Raises:
        ConfigError: If the URL is none of these, PostgreSQL's driver isn't installed, or a key is missing or none.
        LedgerError: If the database can't be reached, or was made by a newer version.
    """
    parsed = _parse(url)
    engine = _engine(parsed, _WAITS_S)
    try:
        vault = open_vault(parsed)
        try:
            _make_ready(engine, vault, shown(parsed))
        except LedgerError as error:
            if is_needed or not isinstance(error.__cause__, SQLAlchemyError):
                raise
            log.warning("%s", error)
    except BaseException:
        engine.dispose()
        raise
    if waits_s != _WAITS_S:
        engine.dispose()
        engine = _engine(parsed, waits_s)
    return Ledger(engine, vault)


def _make_ready(engine: Engine, vault: Vault, place: str) -> None:
    with explained(f"opening the ledger of exports at {place}"):
        with engine.begin() as connection:
            _prepare(connection, vault)
        _wipe(engine)


def _engine(url: URL, waits_s: float) -> Engine:
    return _sqlite(url, waits_s) if url.get_backend_name() == "sqlite" else _postgresql(url, waits_s)


def is_there(url: str) -> bool:
    """Whether there is a ledger at a URL; none is made.

    Raises:
        ConfigError: If the URL is none of those that `open_engine` takes, or PostgreSQL's driver isn't installed.
        LedgerError: If the database can't be reached.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(parsed.database or "").is_file()
    engine = _postgresql(parsed, _WAITS_S)
    try:
        with explained(f"looking for the ledger of exports at {shown(parsed)}"):
            return inspect(engine).has_table(schema.name)
    finally:
        engine.dispose()


def shown(url: URL) -> str:
    """A URL as people may see it: no password, no options."""
    return url.set(query={}).render_as_string(hide_password=True)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"{LEDGER_VARIABLE} is not a URL: write sqlite:///path/to/exports.db or postgresql://user@host/database"
        ) from None
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"} or not parsed.database:
        raise ConfigError(
            f"{LEDGER_VARIABLE} names {parsed.drivername!r}, or no database: the ledger lies in SQLite "
            "(sqlite:///path/to/exports.db) or PostgreSQL (postgresql://user@host/database)"
        )
    return parsed


def _sqlite(url: URL, waits_s: float) -> Engine:
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Poll addresses are secrets: the file, and the log that takes over its rights, are their owner's alone.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise LedgerError(
            f"opening the ledger of exports at {path} failed: {text_of(error)}. Check the disk and the rights of "
            f"{path.parent}, or name another place with {LEDGER_VARIABLE}."
        ) from error
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": waits_s})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql(url: URL, waits_s: float) -> Engine:
    limits: dict[str, Any] = {}
    if waits_s < _WAITS_S:
        told = f"-c lock_timeout={int(waits_s * 1000)} -c statement_timeout={int(waits_s * 1000)}"
        limits = {"options": f"{url.query.get('options', '')} {told}", "connect_timeout": 2}
    try:
        # Parameters may hold an address that is a secret: they stay out of the library's messages.
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=limits)
    except ImportError as error:
        raise ConfigError("a ledger in PostgreSQL needs a driver: `pip install journey-pipeline[postgres]`") from error


def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would begin transactions by itself, and only at the first write: too late for a guard that reads.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _wipe(engine: Engine) -> None:
    """Writes an SQLite file anew, once, in which a step has left secrets of earlier versions in pages of no more use.

    It can't be done in the transaction of the step, which leaves a mark; so one that was killed does it the next time.
    """
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        if cursor.execute("PRAGMA user_version").fetchone()[0] == TO_BE_WIPED:
            cursor.execute("VACUUM")
            is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:  # else others read: the next one to open it goes on
                cursor.execute("PRAGMA user_version = 0")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
    except sqlite3.OperationalError as error:
        log.warning(
            "the ledger of exports could not be written anew (%s); the next one to open it does so", text_of(error)
        )
    finally:
        raw.close()


def _prepare(connection: Connection, vault: Vault) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    version = connection.scalar(select(schema.c.version)) if inspect(connection).has_table(schema.name) else None
    if version is None:
        metadata.create_all(connection)
        connection.execute(insert(schema).values(version=SCHEMA_VERSION, fingerprint=_fingerprint()))
    elif version > SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger of exports has version {version}, this package knows {SCHEMA_VERSION}: upgrade "
            f"journey-pipeline, or name another ledger with {LEDGER_VARIABLE}"
        )
    elif version < SCHEMA_VERSION:
        migrate(connection, vault, version=version, to=SCHEMA_VERSION)
        connection.execute(update(schema).values(version=SCHEMA_VERSION))


TO_BE_WIPED = 1
"""As SQLite's `user_version`: the file holds secrets in pages of no more use."""

_STATES = """case
  when {0} in ('refused', 'unknown', 'failed', 'expired') then 'wanted'
  when {0} in ('requested', 'overdue') then 'pending'
  else {0}
end"""


def _to_2(connection: Connection, vault: Vault) -> None:
    """Why an export is where it is becomes a column, states that differ in that alone one; addresses are encrypted."""
    for table in ("journey_exports", "journey_export_transitions"):
        connection.execute(text(f"alter table {table} add column reason varchar"))
    connection.execute(
        text(
            f"""
            update journey_exports
            set
              reason = case
                when state = 'unknown' then 'unanswered'
                when state = 'expired' then 'lost'
                when state in ('refused', 'failed', 'overdue') then state
                when state = 'stopped' and failures >= 3 then 'failed'
                when state = 'stopped' and losses >= 5 then 'lost'
                when state = 'stopped' then 'rejected'
              end,
              state = {_STATES.format("state")}
            """
        )
    )
    connection.execute(
        text(
            f"""
            update journey_export_transitions
            set
              reason = case
                when edge = 'lose_answer' then 'unanswered'
                when edge = 'expire' then 'lost'
                when edge in ('refuse', 'fail') then to_state
                when edge = 'delay' then 'overdue'
                when edge = 'stop' and from_state = 'asking' then 'rejected'
              end,
              edge = case when edge in ('refuse', 'lose_answer', 'fail', 'expire') then 'ask_again' else edge end,
              from_state = {_STATES.format("from_state")},
              to_state = {_STATES.format("to_state")}
            """
        )
    )
    _seal(connection, vault)


def _seal(connection: Connection, vault: Vault) -> None:
    found = connection.execute(
        text("select id, poll_address from journey_exports where poll_address is not null")
    ).all()
    for export_id, address in found:
        connection.execute(
            text("update journey_exports set poll_address = :sealed where id = :id"),
            {"sealed": vault.seal(address), "id": export_id},
        )
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"pragma user_version = {TO_BE_WIPED}"))


def _to_3(connection: Connection, _: Vault) -> None:
    """A ledger gets a fingerprint, and tables for the calls of vendors."""
    connection.execute(text("alter table journey_export_schema add column fingerprint varchar"))
    connection.execute(text("update journey_export_schema set fingerprint = :it"), {"it": _fingerprint()})
    # As they are today: a later step that changes one of them writes down here what it was.
    metadata.create_all(connection, tables=[hooks, callbacks])


def _fingerprint() -> str:
    return secrets.token_hex(16)


STEPS: Mapping[int, Callable[[Connection, Vault], None]] = {2: _to_2, 3: _to_3}
"""The steps, by the version that each leads to from the one before."""


def migrate(connection: Connection, vault: Vault, *, version: int, to: int) -> None:
    """Takes a ledger from a version to a later one."""
    for step in range(version + 1, to + 1):
        STEPS[step](connection, vault)
