"""A lake without journeys, of any size, made by DuckDB: another account, with a newsletter a day and visits of a shop.

Not here: passages (`made_walks.py`), what is measured (`contenders/marts_anew.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.made_lake import columns_of, put_made, session_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey, Window, iso

STREAM = StreamKey("apsis", "apsis", "profile_events")
CONTACTS = 400_000
_DONE = ("send", "deliver", "open", "visit", "visit")
"""What a person does in a row, a second apart: the first three with the newsletter."""
_NONE = ("journey_id", "journey_name", "enrolment_id", "activity_name", "activity_type", "next_activity_id")
_MAILED = {
    "event_key": "md5(concat('mail', start_at, row))::uuid",
    "vendor": "'apsis'",
    "connection": "'apsis'",
    "stream": "'profile_events'",
    "occurred_at": "moment",
    "occurred_on": "moment::date",
    "received_at": "moment + interval 5 seconds",
    "contact_id": f"concat('a-7f', hash(start_at, person) % {CONTACTS})",
    "email": f"concat('person', hash(start_at, person) % {CONTACTS}, '@example.com')",
    "activity_id": "case when done <= 3 then md5(concat(start_at, 'part', person % 3)) end",
    "message_id": "case when done <= 3 then md5(start_at) end",
    "channel": "case when done <= 3 then 'email' else 'web' end",
    "action": f"{list(_DONE)}[done]",
    **dict.fromkeys((*_NONE, "vendor_action", "outcome", "reason"), "null"),
}


def make_mail(lake: Lake, windows: Sequence[Window], rows: int) -> None:
    """Puts so many events of each window in place, a partition each."""
    made = f"""
        select
            *,
            $start::timestamptz + to_seconds(person * 80000 * {len(_DONE)} // {rows} + done) as moment
        from (
            select $start as start_at, row, row // {len(_DONE)} as person, 1 + row % {len(_DONE)} as done
            from range({rows}) as made(row)
        )
    """
    columns = columns_of(_MAILED)
    with session_of(lake) as session:
        for window in windows:
            put_made(session, lake, window, made, columns=columns, stream=STREAM, start=iso(window.start))
