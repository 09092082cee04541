-- How long after the end of their own hour or day events were received, whichever partition's answer brought them.
-- Grain: one row per UTC day and stream of a connection; only events whose arrival is known.
-- Key: occurred_on, connection, stream.
-- Made: by occurred_on, connection, stream.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The kind of record.
-- events: Events whose arrival is known.
-- after_1h: Events that came more than an hour after the end of their hour or day.
-- after_6h: Events that came more than 6 hours after it.
-- after_1d: Events that came more than a day after it.
-- after_7d: Events that came more than 7 days after it.
-- latest: The longest that one took.
with arrived as (
    select
        occurred_on,
        connection,
        stream,
        make_timestamp(epoch_us(received_at)) - own_window_end(occurred_at, partition_key) as delay
    from core.journey_events
    where received_at is not null
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
