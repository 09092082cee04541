"""How a ledger that an earlier version wrote becomes one of this version: one function for each step.

All of it happens in the transaction that opens the ledger, and other processes wait: a killed process leaves the
ledger as it was. A step names tables and columns as they were then, so it is text and no table of today's.
Not here: the tables (`ledger.py`), who holds the others off (`database.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, text

from journey_pipeline.exports.vault import Vault

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


STEPS: Mapping[int, Callable[[Connection, Vault], None]] = {2: _to_2}
"""The steps, by the version that each leads to from the one before."""


def migrate(connection: Connection, vault: Vault, *, version: int, to: int) -> None:
    """Takes a ledger from a version to a later one."""
    for step in range(version + 1, to + 1):
        STEPS[step](connection, vault)
