"""Each key once: which of several records with one key stays, and which attempts hold nothing of their own.

For partitions with a repeated key or several attempts, and for vendors that send events again as a rule. Only records
whose key repeats are looked at, which are few; the wide columns are copied once, in their order. Events and rejects of
an attempt that is damaged or gone stay, since nothing else has them. Not here: writing the staged file (`staging.py`),
marking attempts in the manifest (`lake/landing.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.events import verify_events
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandingManifest
from journey_pipeline.model import EVENT_COLUMNS
from journey_pipeline.normalize.landed_file import Source
from journey_pipeline.normalize.session import Session
from journey_pipeline.sql import literal

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


def repeated_keys(session: Session, events: Path, rows: int) -> int:
    """How many records of a file, which has so many rows, have a key whose hash another one before them has.

    None means that each key is there once. Hashes are compared, since keys cost twice as much.
    """
    statement = f"select count(*) - count(distinct hash(event_key)) from {_records(events)} where"
    return sum(session.count(f"{statement} {some}") for some in _keys_in_turn(session, rows))


def _keys_in_turn(session: Session, rows: int) -> list[str]:
    """Conditions that each hold for another part of a file's keys, so that the keys of one part fit in memory."""
    parts = 1 + rows // session.limits.keys_at_a_time
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
    typed = session.count(f"select count(*) from {records}")
    session.connection.execute("create or replace temp table repeated (event_key varchar)")
    for some in _keys_in_turn(session, typed):
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
    # Of a key that the newest attempt has, its record stayed.
    withdrawn = session.count(
        f"select count(*) from read_parquet($1) where {_ATTEMPT} <> $2 and occurred_at >= coalesce($3, occurred_at)",
        [str(to), newest, repeated_from],
    )
    return Deduplicated(typed, events, withdrawn, _conflicts(session, staged))


def _records(staged: Path) -> str:
    return f"read_parquet({literal(str(staged))}, file_row_number = true)"


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


@dataclass(frozen=True, slots=True)
class Kept:
    """Finished files with what was kept of earlier ones.

    Attributes:
        rejects: The rejects file, if there are any.
        event_rows: How many of its events come from attempts that can't be read.
        reject_rows: How many of its rejects do.
        unreadable: How many such attempts there are.
    """

    events: Path
    rejects: Path | None
    event_rows: int = 0
    reject_rows: int = 0
    unreadable: int = 0


def keep_earlier(
    session: Session,
    lake: Lake,
    landing: LandingManifest,
    unreadable: Collection[str],
    *,
    events: Path,
    rejects: Path | None,
) -> Kept:
    """Adds to new files what the files in place have of attempts that can't be read, and no other attempt has.

    Args:
        lake: Where the files in place lie.
        unreadable: The attempts that can't be read. Those that the landing no longer knows are none that can be.
        events: The new events file; it is left as it is.
        rejects: The new rejects file, if there are any.
    """
    readable = {one.attempt for one in landing.attempts}.difference(unreadable)
    if not _has_of_others(lake, landing, readable):
        return Kept(events, rejects, unreadable=len(unreadable))
    key, partition = landing.key, landing.partition
    of_them = f"split_part(landing_file, '/', 2) not in ({', '.join(literal(name) for name in sorted(readable))})"
    with_events, kept = _keep_events(session, lake.events_file(key, partition), events, of_them)
    with_rejects, kept_rejects = _keep_rejects(session, lake.rejects_file(key, partition), rejects, of_them)
    return Kept(with_events, with_rejects, kept, kept_rejects, len(unreadable))


def _keep_events(session: Session, earlier: Path, events: Path, of_them: str) -> tuple[Path, int]:
    lacking = (
        f"from {_rows(earlier)} where {of_them} "
        f"and event_key::varchar not in (select event_key::varchar from {_rows(events)})"
    )
    kept = session.count(f"select count(*) {lacking}")
    if not kept:
        return events, 0
    to = session.folder / "events-kept.parquet"
    session.copy(f"select * from {_rows(events)} union all by name (select * {lacking})", to)
    return to, kept


def _keep_rejects(session: Session, earlier: Path, rejects: Path | None, of_them: str) -> tuple[Path | None, int]:
    if not earlier.exists():
        return rejects, 0
    kept = session.count(f"select count(*) from {_rows(earlier)} where {of_them}")
    if not kept:
        return rejects, 0
    to = session.folder / "rejects-kept.parquet"
    new = f"select * from {_rows(rejects)} union all by name " if rejects else ""
    session.copy(f"{new}(select * from {_rows(earlier)} where {of_them})", to)
    return to, kept


def _has_of_others(lake: Lake, landing: LandingManifest, readable: Collection[str]) -> bool:
    """Whether the files in place are sound, and have something of attempts that can't be read now."""
    try:
        manifest = EventsManifest.read(lake.events_manifest(landing.key, landing.partition))
    except LakeError:
        return False
    if manifest is None:
        return False
    has_some = set(manifest.attempts).difference(readable) or manifest.kept_events or manifest.kept_rejects
    return bool(has_some) and verify_events(lake, manifest)


def _rows(file: Path) -> str:
    return f"read_parquet({literal(str(file))}, hive_partitioning = false)"


def last_of_equals(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts without those whose answer came again byte for byte: the newest one stands for them.

    One that is set aside is read all the same: only so it shows whether its files are mended.
    """
    answers = [(tuple(file.sha256 for file in one.files), tuple(sorted(one.constants.items()))) for one in attempts]
    newest = {answer: attempt.attempt for answer, attempt in zip(answers, attempts, strict=True)}
    return [attempt for attempt in attempts if attempt.unreadable or attempt.attempt in newest.values()]


def is_complete(attempt: str, sources: Iterable[Source]) -> bool:
    """Whether as many records of an attempt were met as were counted while landing."""
    return all(source.read + source.faults == source.rows for source in sources if source.attempt == attempt)


def rejects_of(session: Session, rejects: Path, attempt: str) -> int:
    """How many of some rejects are records of an attempt."""
    return session.count(f"select count(*) from read_parquet(?) where {_ATTEMPT} = ?", [str(rejects), attempt])
