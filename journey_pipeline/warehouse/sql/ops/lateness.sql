-- How late events reach the vendor's history, from the end of the hour or day (as the stream's partitions) in which
-- they happened.
-- Grain: one row per UTC day and stream of a connection; only events with a known time of receipt.
-- Key: occurred_on, connection, stream.
-- Made: a view.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The kind of record.
-- events: Events whose arrival is known.
-- share_after_1h: Share of events received more than an hour after the end of their hour or day.
-- share_after_6h: Share received more than 6 hours after it.
-- share_after_1d: Share received more than a day after it.
-- share_after_7d: Share received more than 7 days after it.
-- latest: The longest delay.
select
    occurred_on,
    connection,
    stream,
    events,
    after_1h / events as share_after_1h,
    after_6h / events as share_after_6h,
    after_1d / events as share_after_1d,
    after_7d / events as share_after_7d,
    latest
from internal.delays_by_day
where events > 0
