"""Each key once: which of several records with one key stays, and which attempts hold nothing of their own.

For partitions with a repeated key or several attempts, and for vendors that send events again as a rule. Only records
whose key repeats are looked at, which are few; the wide columns are copied once, in their order. Not here: writing the
staged file (`staging.py`), marking attempts in the manifest (`lake/landing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.model import EVENT_COLUMNS
from journey_pipeline.normalize.session import Session, quoted

_LINEAGE = {"event_key", "landing_file", "landing_row"}
# Sent once more, a record arrives at another time and is the same.
_TIMES = {"occurred_at", "occurred_on", "received_at"}
# A time that is only that of its arrival is another one each time that the source sends the event.
_CONTENT = ", ".join(
    [c.name for c in EVENT_COLUMNS if c.name not in _LINEAGE | _TIMES] + ["nullif(occurred_at, received_at)"]
)
_ATTEMPT = "split_part(landing_file, '/', 2)"


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """Counts of the staged records after deduplication.

    Attributes:
        typed: Staged records.
        events: Keys among them.
        withdrawn: Events that the newest attempt lacks and should have.
        conflicts: Keys that came with two different contents in the same attempt.
    """

    typed: int
    events: int
    withdrawn: int
    conflicts: int


def repeated_keys(session: Session, events: Path) -> int:
    """How many records of a file have a key that another one before them has."""
    statement = f"select count(*) - count(distinct event_key) from {_records(events)} where"
    return sum(session.count(f"{statement} {some}") for some in _keys_in_turn(session, events))


def _keys_in_turn(session: Session, file: Path) -> list[str]:
    """Conditions that each hold for another part of a file's keys, so that the keys of one part fit in memory."""
    parts = 1 + session.count(f"select count(*) from {_records(file)}") // session.limits.keys_at_a_time
    return ["true"] if parts == 1 else [f"hash(event_key) % {parts} = {part}" for part in range(parts)]


def superseded_attempts(
    session: Session, staged: Path, rejects: Path | None, complete: Mapping[str, bool]
) -> tuple[str, ...]:
    """The attempts that one newer attempt holds wholly, events and rejects.

    Args:
        staged: The typed records of all attempts, attempt by attempt, oldest first, with `key_is_content`.
        rejects: Their rejects, if there are any.
        complete: The attempts, oldest first, and whether every record of theirs is accounted for.
    """
    if len(complete) == 1:
        return ()
    _number_repeats(session, staged)
    session.connection.execute("create or replace temp table staged_rejects (attempt varchar, content varchar)")
    if rejects:
        session.connection.execute(
            f"insert into staged_rejects select {_ATTEMPT}, coalesce(raw_base64, raw) from read_parquet(?)",
            [str(rejects)],
        )
    names = list(complete)
    return tuple(
        name
        for number, name in enumerate(names)
        if complete[name] and any(_holds(session, newer, name) for newer in names[number + 1 :] if complete[newer])
    )


def deduplicate(
    session: Session, staged: Path, newest: str, to: Path, *, repeated_from: datetime | None = None
) -> Deduplicated:
    """Writes one event for each key: of the newest attempt that has it, the last record.

    Records that are their own key are numbered within their attempt, so that real repeats survive; over several
    attempts the larger number of them stays.

    Args:
        staged: As for `superseded_attempts`.
        repeated_from: From when on the newest attempt should have the events of older ones; always if None.
    """
    records = _records(staged)
    session.connection.execute("create or replace temp table repeated (event_key varchar)")
    for some in _keys_in_turn(session, staged):
        session.connection.execute(
            f"insert into repeated select event_key from {records} where {some} group by all having count(*) > 1"
        )
    # All records of a key are among them or none is, so that they are numbered as they would be among all.
    _number_repeats(session, staged, among="event_key in (from repeated)")
    session.connection.execute(
        # Later records have a greater position, and newer attempts greater ones still.
        "create or replace temp table decided as select position, final_key, "
        "position = max(position) over (partition by final_key) as stays from staged_keys"
    )
    key = {"event_key": "coalesce(final_key, event_key) as event_key"}
    events = session.copy(
        f"select {', '.join(key.get(c.name, c.name) for c in EVENT_COLUMNS)} "
        f"from {records} as record left join decided on file_row_number = position where coalesce(stays, true)",
        to,
    )
    typed = session.count(f"select count(*) from {records}")
    # Of a key that the newest attempt has, its record stayed.
    withdrawn = session.count(
        f"select count(*) from read_parquet($1) where {_ATTEMPT} <> $2 and occurred_at >= coalesce($3, occurred_at)",
        [str(to), newest, repeated_from],
    )
    return Deduplicated(typed, events, withdrawn, _conflicts(session, staged))


def _records(staged: Path) -> str:
    return f"read_parquet({quoted(str(staged))}, file_row_number = true)"


def _number_repeats(session: Session, staged: Path, among: str = "true") -> None:
    """Makes `staged_keys`: position, attempt and final key of each staged record that fits a condition."""
    session.connection.execute(
        f"""
        create or replace temp table staged_keys as
        with keyed as (
          select event_key, file_row_number as position, {_ATTEMPT} as attempt, key_is_content
          from {_records(staged)}
          where {among}
        )
        select position, attempt, event_key as final_key from keyed where not key_is_content
        union all
        select
          position,
          attempt,
          case
            when ordinal = 1 then event_key
            else unhex(md5(concat(event_key, '#', ordinal)))::uuid::varchar
          end as final_key
        from (
          select *, row_number() over (partition by attempt, event_key order by position) as ordinal
          from keyed
          where key_is_content
        )
        """
    )


def _holds(session: Session, newer: str, older: str) -> bool:
    own = [
        session.count(
            f"select count(*) from (select {column} from {table} where attempt = ? except "
            f"select {column} from {table} where attempt = ?)",
            [older, newer],
        )
        for table, column in (("staged_keys", "final_key"), ("staged_rejects", "content"))
    ]
    return not any(own)


def _conflicts(session: Session, staged: Path) -> int:
    return session.count(
        f"""
        with repeated as (
          select attempt, final_key from staged_keys group by all having count(*) > 1
        ),
        suspect as (
          select position, attempt, final_key from staged_keys join repeated using (attempt, final_key)
        ),
        content as (
          select attempt, final_key, hash({_CONTENT}) as content
          from {_records(staged)} as record
          join suspect on file_row_number = position
        )
        select count(distinct final_key)
        from (select final_key from content group by attempt, final_key having min(content) <> max(content))
        """
    )
