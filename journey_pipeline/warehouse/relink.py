"""Links the events of which two streams tell, after a merge: marts count the twin's and leave the other one out.

Only events of link keys at which something comes or goes are looked at, as they were and as they are now; the tables
move by the difference. Not here: what came and went (`links.py`), what marts make of it (`sql/`).
"""

from __future__ import annotations

import duckdb

from journey_pipeline.warehouse.changes import ADDED, TAKEN, Changes
from journey_pipeline.warehouse.links import LINK_KEY, Links, follow_manifests


def relink(session: duckdb.DuckDBPyConnection, links: Links, changes: Changes) -> None:
    """Links what is the same now, unlinks what no longer is, and notes those events whose days that changes.

    Args:
        session: After the merge: events and manifests are what they shall be, links are as they were.
        links: What the merge noted.
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
