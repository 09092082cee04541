"""Figures of an events file after it was written: its time range, unknown codes, counts, overlaps.

Not here: what is judged by it (`loading/`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import CLOCK_DIFFERENCE, EVENT_COLUMNS, StreamKey, Window, iso
from journey_pipeline.normalize.session import NormalizeLimits, Session, session
from journey_pipeline.recipe import Recipe
from journey_pipeline.sql import literal

if TYPE_CHECKING:  # it brings Arrow along, which a survey does not need
    from journey_pipeline.normalize.staging import CodeTable

# A shifted column would make every value a code; the manifest is no place for those.
MOST_CODES = 50
LONGEST_CODE = 60
# How a recipe leaves a floating-point number of 2^53 and more: smaller ones have become integers.
_ROUNDED = literal("([0-9]{16,}[.]0+|[0-9][.]?[0-9]*e[+][0-9]+)")


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts about an events file.

    Attributes:
        first_at: The least `occurred_at`, None if there are no events.
        last_at: The greatest.
        outside_window: Events whose time is not in the window.
        received_early: Events that were received more than `CLOCK_DIFFERENCE` before they happened.
        longest_early_s: By how many seconds the worst of them was.
        one_contact: Whether all events are of one contact, though not for that alone was asked.
        rounded_ids: Events with an id that was a floating-point number of 2^53 or more.
        lacking: Events without a value, by column.
        unknown_codes: Events with a code that no table has, by `column=value`; past the commonest, `column=*`.
        turns: Enters and exits, where they take turns.
        out_of_turn: Those of them that follow one of their own kind.
    """

    first_at: datetime | None
    last_at: datetime | None
    outside_window: int
    received_early: int
    longest_early_s: int
    one_contact: bool
    rounded_ids: int
    lacking: dict[str, int]
    unknown_codes: dict[str, int]
    turns: int = 0
    out_of_turn: int = 0


def inspect_events(
    session: Session,
    events: Path,
    window: Window,
    codes: Sequence[CodeTable],
    recipe: Recipe,
    *,
    filled: Sequence[str],
) -> Inspection:
    """Looks at an events file.

    Args:
        window: Where they should lie in time.
        filled: Columns that every event should have.
    """
    times = ("occurred_at", "received_at") if recipe.windows_of_arrival else ("occurred_at",)
    inside = " or ".join(f"coalesce({time} >= $2 and {time} < $3, false)" for time in times)
    early = "(epoch_us(occurred_at) - epoch_us(received_at)) // 1000000"
    rounded = " or ".join(f"regexp_full_match({column}, {_ROUNDED})" for column in recipe.numbers) or "false"
    lacking = "".join(f", count(*) - count({column})" for column in filled)
    first_at, last_at, outside, received_early, longest_early_s, one_contact, rounded_ids, *counts = session.one(
        f"select min(occurred_at), max(occurred_at), count(*) filter (not ({inside})), "
        f"count(*) filter ({early} > $4), coalesce(max({early}) filter ({early} > $4), 0), "
        f"coalesce(min(contact_id) = max(contact_id) and count(contact_id) = count(*), false), "
        f"count(*) filter ({rounded}){lacking} "
        "from read_parquet($1)",
        [str(events), window.start, window.end, CLOCK_DIFFERENCE.total_seconds()],
    )
    return Inspection(
        first_at,
        last_at,
        outside,
        received_early,
        longest_early_s,
        one_contact and "contact_id" in filled,
        rounded_ids,
        dict(zip(filled, counts, strict=True)),
        _unknown(session, events, codes),
        *(session.one(_TURNS, [str(events)]) if recipe.turns_alternate else ()),
    )


# Of what happened in one second the order is unknown: only what is left of it counts.
_TURNS = """
    with moments as (
        select
            contact_id,
            journey_id,
            occurred_at,
            count(*) as turns,
            sum(if(action = 'enter', 1, -1)) as net
        from read_parquet($1)
        where action in ('enter', 'exit')
        group by all
    ),
    followed as (
        select net, lag(net) over (partition by contact_id, journey_id order by occurred_at) as before
        from moments
        where net <> 0
    )
    select
        (select coalesce(sum(turns), 0) from moments)::bigint,
        coalesce(sum(abs(net) - 1 + if(sign(net) = sign(before), 1, 0)), 0)::bigint
    from followed
"""


def _unknown(session: Session, events: Path, tables: Sequence[CodeTable]) -> dict[str, int]:
    names = {column.name for column in EVENT_COLUMNS}
    looked_up = {number: table for number, table in enumerate(tables) if table.code_column in names}
    if not looked_up:
        return {}
    counts = " union all ".join(
        f"select {number}, {table.code_column} as code, count(*) as events from read_parquet($1) "
        f"where {table.code_column} is not null group by code"
        for number, table in looked_up.items()
    )
    used = session.connection.execute(f"{counts} order by events desc, code", [str(events)]).fetchall()
    unknown: dict[str, int] = {}
    for number, table in looked_up.items():
        codes = [(code, count) for of, code, count in used if of == number and not table.has(code)]
        shown: Counter[str] = Counter()
        for code, count in codes[:MOST_CODES]:
            shown[f"{table.code_column}={code[:LONGEST_CODE]}"] += count
        if rest := sum(count for _, count in codes[MOST_CODES:]):
            shown[f"{table.code_column}=*"] = rest
        unknown |= shown
    return dict(sorted(unknown.items()))


_BUT_THE_PERSON = "hash(occurred_at, journey_id, activity_id, channel, vendor_action)"
KNOWN_SINCE = "known_since"  # the property that says when a person became known, where a vendor says it


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two partitions' events compared.

    Attributes:
        earlier: The partition whose answer came earlier.
        shared: Its events that the later one should have too.
        lacking: Those of them that the later one does not have.
        people: Whose they are, counted; without those who are known to have become known only later.
        people_lacking: Those of them of whom the later one has nothing at all.
        moved: Of what is lacking, events that the later one has of another person, equal otherwise.
        fewer: Of a day and an action of the vendor's, the events of both, where the later one has fewer.
        mapping: The field that each column of the earlier one is read from, where its reader found that out.
    """

    earlier: str
    shared: int
    lacking: int
    people: int = 0
    people_lacking: int = 0
    moved: int = 0
    fewer: Sequence[tuple[str, str, int, int]] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)


def compare_overlap(
    lake: Lake,
    stream: StreamKey,
    *,
    earlier: str,
    later: str,
    since: datetime,
    known_before: datetime,
    limits: NormalizeLimits,
) -> Overlap:
    """Counts events of one partition from an instant on, and those of them that another one lacks.

    Args:
        earlier: The partition that is looked through.
        later: The partition that should repeat it.
        known_before: People who became known from then on are none of those whom both should have.
        limits: What the work may use.

    Raises:
        LakeError: If the files can't be read.
    """
    first, second = (literal(str(lake.events_file(stream, partition))) for partition in (earlier, later))
    with session(lake, limits, f"comparing {stream} {later} with {earlier}") as opened:
        counts = opened.one(
            f"""
            with later as (from read_parquet({second})),
            news as (
                select {_BUT_THE_PERSON} as told
                from later
                where event_key not in (select event_key from read_parquet({first}))
            ),
            shared as (
                select
                    contact_id,
                    {_BUT_THE_PERSON} in (from news) as is_told,
                    event_key not in (select event_key from later) as is_lacking,
                    contact_id not in (select contact_id from later where contact_id is not null) as is_gone,
                    coalesce(
                        try_cast(properties ->> '$.{KNOWN_SINCE}' as timestamptz)
                            < {literal(iso(known_before))}::timestamptz,
                        true
                    ) as is_old
                from read_parquet({first})
                where occurred_at >= {literal(iso(since))}::timestamptz
            )
            select
                count(*),
                count(*) filter (is_lacking),
                count(distinct contact_id) filter (is_old),
                count(distinct contact_id) filter (is_old and is_gone),
                count(*) filter (is_lacking and is_told)
            from shared
            """
        )
        fewer = opened.connection.execute(
            f"""
            select day, what, before, after
            from (
                select
                    occurred_on::varchar as day,
                    coalesce(vendor_action, '') as what,
                    count(*) filter (is_before) as before,
                    count(*) filter (not is_before) as after
                from (
                    select *, true as is_before from read_parquet({first})
                    union all by name
                    select *, false as is_before from read_parquet({second})
                )
                where occurred_at >= {literal(iso(since))}::timestamptz
                group by all
            )
            where after < before
            order by day, what
            """
        ).fetchall()
        shared, lacking, people, people_lacking, moved = (int(str(count)) for count in counts)
    return Overlap(earlier, shared, lacking, people, people_lacking, moved, fewer)


def events_within(lake: Lake, stream: StreamKey, span: Window) -> int:
    """How many events of a span a stream's files have, each once, whichever partition's files they are."""
    files = lake.events_file(stream, "*")
    if not any(lake.home.glob(lake.relative(files))):
        return 0
    with duckdb.connect(config={"threads": 1}) as session:
        (counted,) = session.execute(
            "select count(distinct event_key) from read_parquet(?) where occurred_at >= ? and occurred_at < ?",
            [str(files), span.start, span.end],
        ).fetchall()
    return int(counted[0])


_NAMES = ("journey_name", "channel", "action", "events")
_STATEMENT = """
    select coalesce(journey_name, '') as journey_name, channel, action, count(*) as events
    from read_parquet(?)
    group by all
    order by events desc, journey_name, channel, action
    limit ?
"""


@dataclass(frozen=True, slots=True)
class Previews:
    """Previews of one lake's files, in one session: opening one takes longer than a preview."""

    lake: Lake
    session: duckdb.DuckDBPyConnection

    def of(self, key: StreamKey, partition: str, rows: int = 8) -> list[dict[str, str | int]]:
        """The commonest combinations of journey, channel and action in a partition's events.

        Args:
            rows: How many combinations at most.

        Returns:
            Rows of `journey_name`, `channel`, `action` and `events`, the commonest first.
        """
        found = self.session.execute(_STATEMENT, [str(self.lake.events_file(key, partition)), rows]).fetchall()
        return [dict(zip(_NAMES, row, strict=True)) for row in found]


@contextmanager
def previewing(lake: Lake) -> Iterator[Previews]:
    """A session that previews are read in."""
    with duckdb.connect(config={"threads": 1}) as session:
        yield Previews(lake, session)
