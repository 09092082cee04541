-- What becomes of the rows of internal.delays_by_day that the changed events touch.
-- Only where the event that took longest went, and none that took as long came, is the one after it looked up.
with moved as (
    select
        occurred_on,
        connection,
        stream,
        sum(change) as events,
        coalesce(sum(change) filter (delay > interval 1 hour), 0) as after_1h,
        coalesce(sum(change) filter (delay > interval 6 hours), 0) as after_6h,
        coalesce(sum(change) filter (delay > interval 1 day), 0) as after_1d,
        coalesce(sum(change) filter (delay > interval 7 days), 0) as after_7d,
        max(delay) filter (change > 0) as added,
        max(delay) filter (change < 0) as taken
    from changed
    where delay is not null
    group by all
),

beside as materialized (
    select
        before.rowid as place,
        moved.occurred_on,
        moved.connection,
        moved.stream,
        coalesce(before.events, 0) + moved.events as events,
        coalesce(before.after_1h, 0) + moved.after_1h as after_1h,
        coalesce(before.after_6h, 0) + moved.after_6h as after_6h,
        coalesce(before.after_1d, 0) + moved.after_1d as after_1d,
        coalesce(before.after_7d, 0) + moved.after_7d as after_7d,
        greatest(before.latest, moved.added) as latest,
        coalesce(moved.taken >= before.latest and coalesce(moved.added < before.latest, true), false) as lost_latest
    from moved
    left join internal.delays_by_day as before using (occurred_on, connection, stream)
),

remaining as (
    select
        lost.place,
        max(make_timestamp(epoch_us(received_at)) - own_window_end(occurred_at, partition_key)) as latest
    from core.journey_events as events
    join (from beside where lost_latest) as lost using (occurred_on, connection, stream)
    where events.occurred_on between $first_day and $last_day
    group by all
)

select
    place,
    occurred_on,
    connection,
    stream,
    events::bigint as events,
    after_1h::bigint as after_1h,
    after_6h::bigint as after_6h,
    after_1d::bigint as after_1d,
    after_7d::bigint as after_7d,
    case when lost_latest then remaining.latest else beside.latest end as latest,
    events = 0 as is_gone
from beside
left join remaining using (place)
