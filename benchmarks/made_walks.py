"""A lake of passages of any size, made by DuckDB: people walk through journeys for days, six events each.

Not here: lakes without passages (`made_lake.py`), what is measured (`contenders/marts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.made_lake import CONTACTS, columns_of, put_made, session_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Window, iso

VERSIONS = 64
_LONGEST_DAYS = 6
_ACTIONS = "['enter', 'send', 'wait', 'decide', 'send', 'wait']"
_WALKED = {
    "event_key": "md5(concat(passage, '/', step))::uuid",
    "occurred_at": "moment",
    "occurred_on": "moment::date",
    "received_at": "moment + interval 5 seconds",
    "contact_id": f"concat('003', hash(passage) % {CONTACTS})",
    "journey_id": "md5(concat('journey', journey))",
    "journey_name": "concat('Welcome, part ', journey)",
    "enrolment_id": "md5(passage::varchar)::uuid::varchar",
    "activity_id": "md5(concat('activity', journey, '/', step))",
    "activity_name": "concat('Step ', step)",
    "activity_type": "case when step = 0 then 'trigger' else 'emailv2' end",
    "next_activity_id": "case when step < 5 then md5(concat('activity', journey, '/', step + 1)) end",
    "channel": f"case when {_ACTIONS}[step + 1] = 'send' then 'email' else 'journey' end",
    "action": f"{_ACTIONS}[step + 1]",
    "reason": "null",
    "properties": "json_object('id', md5(concat(passage, '/', step)), 'event_name', 'made')",
    "landing_row": "row_number() over ()",
}


def make_walks(lake: Lake, windows: Sequence[Window], entries_of_day: int) -> None:
    """Puts the events of some windows in place: hours or days, which don't overlap.

    Args:
        entries_of_day: Passages that begin each day.
    """
    made = f"""
        select
            passage,
            step,
            hash(passage) % {VERSIONS} as journey,
            entered + to_seconds((step // 3 * (3600 + hash(passage) % 432000) + step % 3 * 20)::bigint) as moment
        from (
            select
                hash(begun, number) as passage,
                begun + to_microseconds(number * 86400000000 // {entries_of_day}) as entered
            from (
                select unnest(generate_series(
                    date_trunc('day', $start::timestamptz) - interval {_LONGEST_DAYS} days,
                    $end::timestamptz,
                    interval 1 day
                )) as begun
            )
            cross join range({entries_of_day}) as numbers(number)
        )
        cross join range(6) as steps(step)
        where moment >= $start::timestamptz and moment < $end::timestamptz
        order by moment
    """
    columns = columns_of(_WALKED)
    with session_of(lake) as session:
        for window in windows:
            put_made(session, lake, window, made, columns=columns, start=iso(window.start), end=iso(window.end))
