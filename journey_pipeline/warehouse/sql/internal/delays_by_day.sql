-- How long after the end of their window events were received.
-- Grain: one row per UTC day and stream of a connection; only events whose arrival is known.
-- Key: occurred_on, connection, stream.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The kind of record.
-- events: Events whose arrival is known.
-- after_1h: Events that came more than an hour after the end of their window.
-- after_6h: Events that came more than 6 hours after it.
-- after_1d: Events that came more than a day after it.
-- after_7d: Events that came more than 7 days after it.
-- latest: The longest that one took.
with window_ends as materialized (
    select
        connection,
        stream,
        partition_key,
        split_part(manifest ->> 'window', '/', 2)::timestamptz as ends_at
    from internal.files
),

arrived as (
    select
        events.occurred_on,
        events.connection,
        events.stream,
        events.received_at - window_ends.ends_at as delay
    from core.journey_events as events
    join window_ends using (connection, stream, partition_key)
    where events.occurred_on between $first_day and $last_day
        and events.received_at is not null
)

select
    occurred_on,
    connection,
    stream,
    count(*) as events,
    count(*) filter (delay > interval 1 hour) as after_1h,
    count(*) filter (delay > interval 6 hours) as after_6h,
    count(*) filter (delay > interval 1 day) as after_1d,
    count(*) filter (delay > interval 7 days) as after_7d,
    max(delay) as latest
from arrived
group by all
