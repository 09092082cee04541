"""Which streams tell of the same things, and by what their events are known to be the same.

The manifests say which streams these are (`model.Twin`). A merge notes here which of their events come and go. Not
here: what makes a stream another one's twin (`vendors/`), linking the events (`relink.py`), the tables
(`link_tables.py`).
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass

import duckdb

from journey_pipeline.warehouse.changes import ADDED, TAKEN
from journey_pipeline.warehouse.connection import literal
from journey_pipeline.warehouse.table import create_empty

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
    """Takes note of all events of streams of which the manifests say something else now.

    Args:
        session: After the merge.
        links: What the merge noted.
    """
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
