"""Events of which two streams of a connection tell: their tables, how they are matched, and linking after a merge.

Marts count the twin's and leave the other one out. Not here: how far the two agree (`questions.py`).
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass

import duckdb

from journey_pipeline.model import Column
from journey_pipeline.warehouse.changes import ADDED, TAKEN, Changes
from journey_pipeline.warehouse.connection import literal
from journey_pipeline.warehouse.table import Table, create_empty

_STREAM = (
    Column("connection", "VARCHAR", "The configured account."),
    Column("stream", "VARCHAR", "The stream whose events marts leave out where its twin tells of them too."),
)

LINKED_STREAMS = Table(
    "internal.linked_streams",
    "Streams whose events another stream of the connection may tell of as well, as the lake's manifests say. "
    "Key: connection, stream.",
    (
        *_STREAM,
        Column("twin_stream", "VARCHAR", "The other one; it has no twin itself."),
        Column("property", "VARCHAR", "The property that has the same value in both."),
        Column("channel", "VARCHAR", "The channel of the events that both tell of."),
    ),
)
LINK_KEYS = Table(
    "internal.link_keys",
    "Events that a stream and its twin may both tell of. Key: link_key, event_key.",
    (
        Column("link_key", "UUID", "The same for events that are one: a hash of streams, value and action."),
        Column("event_key", "UUID", "The event."),
        Column("occurred_on", "DATE", "Its UTC day."),
        *_STREAM,
        Column("is_of_twin", "BOOLEAN", "Whether it is the twin's event."),
    ),
)
LINKED_EVENTS = Table(
    "core.linked_events",
    "Events that marts leave out, because an event of another stream stands for them: both tell of the same thing. "
    "Grain: one row per event left out. Key: event_key.",
    (
        Column("event_key", "UUID", "The event that is left out; core.journey_events has it."),
        Column("counted_event_key", "UUID", "The event that stands for it; the least key where several do."),
        Column("occurred_on", "DATE", "The UTC day of the event that is left out."),
    ),
)
AGREEMENT = Table(
    "ops.agreement",
    "How far two streams agree that tell of the same events; only events that carry what links them. "
    "Grain: one row per UTC day and pair of streams of a connection. Key: occurred_on, connection, stream.",
    (
        Column("occurred_on", "DATE", "The UTC day on which the events happened."),
        *_STREAM,
        Column("twin_stream", "VARCHAR", "The stream in which marts count what both tell of."),
        Column("in_both", "BIGINT", "Events of the twin that the stream tells of too."),
        Column("only_in_stream", "BIGINT", "Events of the stream that the twin lacks; marts count them as well."),
        Column("only_in_twin", "BIGINT", "Events of the twin that the stream lacks."),
    ),
)
LINK_TABLES = (LINKED_STREAMS, LINK_KEYS, LINKED_EVENTS, AGREEMENT)


LINK_KEY = "link_key, event_key, occurred_on, connection, stream, is_of_twin"

# Two manifests of a stream may differ for a while, after an upgrade: then one of them counts, whichever came first.
_PAIRS = """
    with pairs as (
        select
            connection,
            stream,
            max({
                'twin_stream': twin ->> 'stream',
                'property': twin ->> 'property',
                'channel': twin ->> 'channel'
            }) as pair
        from internal.files
        where twin is not null
        group by all
    )
    select
        connection,
        stream,
        unnest(pair)
    from pairs
    where (connection, pair.twin_stream) not in (select (connection, stream) from pairs)
"""


@dataclass(frozen=True, order=True, slots=True)
class Pair:
    """A stream, and the twin that tells of some of its events; as in `internal.linked_streams`."""

    connection: str
    stream: str
    twin_stream: str
    property: str
    channel: str


@dataclass(slots=True)
class Links:
    """The events that come and go of streams that are known to have a twin, or to be one.

    Attributes:
        session: With a transaction open.
        pairs: The streams.
    """

    session: duckdb.DuckDBPyConnection
    pairs: frozenset[Pair]

    def note(self, relation: str, sign: int) -> None:
        """Takes note of rows that come or go.

        Args:
            relation: An SQL relation with the rows' event columns.
            sign: `ADDED` or `TAKEN`.
        """
        if sign == ADDED:
            for pair in self.pairs:
                _note_keys(self.session, relation, pair)
        elif self.pairs:
            self.session.execute(
                f"insert into link_changes select {LINK_KEY}, {TAKEN} from internal.link_keys "
                f"semi join {relation} using (event_key)"
            )


def begin_links(session: duckdb.DuckDBPyConnection) -> Links:
    """Begins to take note; nothing has changed yet."""
    create_empty(session, "link_changes", f"select {LINK_KEY}, 0 as change from internal.link_keys", temporary=True)
    return Links(session, _pairs(session, "from internal.linked_streams"))


def follow_manifests(session: duckdb.DuckDBPyConnection, links: Links) -> None:
    """Takes note of all events of streams of which the manifests say something else now."""
    now = _pairs(session, _PAIRS)
    if now == links.pairs:
        return
    for pair in sorted(links.pairs - now):
        whose = f"connection = {literal(pair.connection)} and stream = {literal(pair.stream)}"
        session.execute(f"delete from link_changes where {whose}")
        session.execute(f"insert into link_changes select {LINK_KEY}, {TAKEN} from internal.link_keys where {whose}")
    for pair in sorted(now - links.pairs):
        _note_keys(session, "core.journey_events", pair)
    session.execute("delete from internal.linked_streams")
    session.execute(f"insert into internal.linked_streams {_PAIRS}")


def _note_keys(session: duckdb.DuckDBPyConnection, relation: str, pair: Pair) -> None:
    """Notes the events of a relation that a pair may both tell of as coming; one without a value is never the same."""
    session.execute(
        f"""
        insert into link_changes
        select
            unhex(md5(concat(to_json($pair::varchar[]), to_json([action, value]))))::uuid as link_key,
            event_key,
            occurred_on,
            connection,
            $stream as stream,
            stream = $twin_stream as is_of_twin,
            {ADDED} as change
        from (
            select
                *,
                json_extract_string(properties, $property) as value
            from {relation}
            where connection = $connection
                and stream in ($stream, $twin_stream)
                and channel = $channel
        )
        where value <> ''
        """,
        asdict(pair) | {"pair": astuple(pair)},
    )


def _pairs(session: duckdb.DuckDBPyConnection, sql: str) -> frozenset[Pair]:
    return frozenset(Pair(*row) for row in session.execute(sql).fetchall())


def relink(session: duckdb.DuckDBPyConnection, links: Links, changes: Changes) -> None:
    """Links what is the same now, unlinks what no longer is, and notes those events whose days that changes.

    Args:
        session: After the merge: events and manifests are what they shall be, links are as they were.
        changes: Takes events that are left out from now on, or no longer: such an event goes and comes again.
    """
    follow_manifests(session, links)
    session.execute(f"""
        create or replace temp table link_moves as
        select
            {LINK_KEY},
            sum(change)::integer as change
        from link_changes
        group by all
        having sum(change) <> 0
    """)
    if not session.execute("select exists (from link_moves)").fetchall()[0][0]:
        return
    _look_at_touched(session)
    _count(session)
    _link(session, changes)


def _look_at_touched(session: duckdb.DuckDBPyConnection) -> None:
    """Makes `touched`: the events of all link keys that something moves at, as they were and as they are now."""
    session.execute(f"""
        create or replace temp table touched as
        with before as materialized (
            select {LINK_KEY}
            from internal.link_keys
            semi join link_moves using (link_key)
        ),

        after as (
            select {LINK_KEY}
            from (
                select *, 1 as change from before
                union all
                from link_moves
            )
            group by all
            having sum(change) > 0
        )

        select
            *,
            bool_or(not is_of_twin) over same as is_in_stream,
            min(event_key) filter (where is_of_twin) over same as twin_key
        from (
            select *, false as is_after from before
            union all
            select *, true as is_after from after
        )
        window same as (partition by is_after, link_key)
    """)
    session.execute("""
        delete from internal.link_keys as keys
        using link_moves as moves
        where moves.link_key = keys.link_key
            and moves.event_key = keys.event_key
            and moves.change < 0
    """)
    session.execute(
        f"insert into internal.link_keys select {LINK_KEY} from link_moves where change > 0 order by occurred_on"
    )


def _count(session: duckdb.DuckDBPyConnection) -> None:
    """Brings the figures of `ops.agreement` along."""
    session.execute("""
        create or replace temp table recounted as
        with moved as (
            select
                occurred_on,
                connection,
                stream,
                sum(sign) filter (is_of_twin and is_in_stream) as in_both,
                sum(sign) filter (not is_of_twin and twin_key is null) as only_in_stream,
                sum(sign) filter (is_of_twin and not is_in_stream) as only_in_twin
            from (select *, case when is_after then 1 else -1 end as sign from touched)
            group by all
        )

        select
            before.rowid as place,
            moved.occurred_on,
            moved.connection,
            moved.stream,
            twins.twin_stream,
            (coalesce(before.in_both, 0) + coalesce(moved.in_both, 0))::bigint as in_both,
            (coalesce(before.only_in_stream, 0) + coalesce(moved.only_in_stream, 0))::bigint as only_in_stream,
            (coalesce(before.only_in_twin, 0) + coalesce(moved.only_in_twin, 0))::bigint as only_in_twin
        from moved
        left join ops.agreement as before using (occurred_on, connection, stream)
        left join internal.linked_streams as twins using (connection, stream)
    """)
    session.execute("delete from ops.agreement where rowid in (select place from recounted)")
    session.execute(
        "insert into ops.agreement by name select * exclude (place) from recounted "
        "where in_both + only_in_stream + only_in_twin > 0"
    )


def _link(session: duckdb.DuckDBPyConnection, changes: Changes) -> None:
    """Brings `core.linked_events` along, and notes the events that are left out from now on or no longer."""
    session.execute("""
        create or replace temp table turned as
        select
            event_key,
            max(occurred_on) filter (is_after) as occurred_on
        from touched
        where not is_of_twin
        group by event_key
        having count(twin_key) filter (is_after) <> count(twin_key) filter (not is_after)
    """)
    turned = _turned_events(session)
    if turned:
        changes.note(turned, TAKEN)
    session.execute(
        "delete from core.linked_events where event_key in (select event_key from touched where not is_of_twin)"
    )
    session.execute("""
        insert into core.linked_events by name
        select
            event_key,
            twin_key as counted_event_key,
            occurred_on
        from touched
        where is_after
            and not is_of_twin
            and twin_key is not null
        order by occurred_on
    """)
    if turned:
        changes.note(turned, ADDED)


def _turned_events(session: duckdb.DuckDBPyConnection) -> str:
    """The relation of the events in `turned` that are there still; empty if there are none."""
    events, known, first_day, last_day = session.execute(
        "select count(*), count(occurred_on), min(occurred_on), max(occurred_on) from turned"
    ).fetchall()[0]
    if not events:
        return ""
    # One that is gone, or lost what links it, may be on any day.
    days = f"where occurred_on between date '{first_day}' and date '{last_day}'" if known == events else ""
    return f"(from core.journey_events semi join turned using (event_key) {days})"
