-- How late events reach the vendor's history, measured from the end of the window that they belong to.
-- Grain: one row per UTC day and stream of a connection; only events whose arrival is known.
-- Key: occurred_on, connection, stream.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The kind of record.
-- events: Events whose arrival is known.
-- share_after_1h: Share of them that came more than an hour after the end of their window.
-- share_after_6h: Share that came more than 6 hours after it.
-- share_after_1d: Share that came more than a day after it.
-- share_after_7d: Share that came more than 7 days after it.
-- latest: The longest that one took.
with arrived as (
    select
        events.occurred_on,
        events.connection,
        events.stream,
        events.received_at - split_part(files.manifest ->> 'window', '/', 2)::timestamptz as delay
    from core.journey_events as events
    join internal.files as files using (connection, stream, partition_key)
    where events.occurred_on between $first_day and $last_day
        and events.received_at is not null
)
select
    occurred_on,
    connection,
    stream,
    count(*) as events,
    avg((delay > interval 1 hour)::integer) as share_after_1h,
    avg((delay > interval 6 hours)::integer) as share_after_6h,
    avg((delay > interval 1 day)::integer) as share_after_1d,
    avg((delay > interval 7 days)::integer) as share_after_7d,
    max(delay) as latest
from arrived
group by all
