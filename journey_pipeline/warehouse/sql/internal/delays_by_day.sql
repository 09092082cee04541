-- How long after the end of their own hour or day events were received, whichever partition's answer brought them.
-- Grain: one row per UTC day and stream of a connection.
-- Key: occurred_on, connection, stream.
-- Made: by occurred_on, connection, stream.
-- Beside: internal.partition_lengths by connection, stream.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The kind of record.
-- happened: Events of the day.
-- events: Events whose arrival is known; the columns after it are of those.
-- after_1h: Events that came more than an hour after the end of their hour or day.
-- after_6h: Events that came more than 6 hours after it.
-- after_1d: Events that came more than a day after it.
-- after_7d: Events that came more than 7 days after it.
-- latest: The longest that one took.
-- most_99: Microseconds from the event itself within which 99 % were received.
with arrived as (
    select
        occurred_on,
        connection,
        stream,
        -- From the end of the hour or day in which the event happened, as long as its stream's partitions are. The
        -- partition that holds it says no more of it: an answer may cover many days, and reach back before its own.
        -- In microseconds, since timestamps and intervals cost four times as much.
        epoch_us(received_at) - (epoch_us(occurred_at) // microseconds + 1) * microseconds as delay,
        epoch_us(received_at) - epoch_us(occurred_at) as took
    from core.journey_events
    join internal.partition_lengths using (connection, stream)
)

select
    occurred_on,
    connection,
    stream,
    count(*) as happened,
    count(delay) as events,
    count(*) filter (delay > 3600000000) as after_1h,
    count(*) filter (delay > 6 * 3600000000) as after_6h,
    count(*) filter (delay > 86400000000) as after_1d,
    count(*) filter (delay > 7 * 86400000000) as after_7d,
    make_timestamp(max(delay)) - make_timestamp(0) as latest,
    quantile_disc(took, 0.99) as most_99
from arrived
group by all
