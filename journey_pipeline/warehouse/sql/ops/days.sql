-- How far each day is loaded. A day that an earlier partition's answer covers counts as one with its own.
-- Grain: one row per UTC day from the first loaded one to the last, and stream of a connection.
-- Key: connection, stream, day.
-- Made: a view.
--
-- connection: The configured account.
-- stream: The kind of record.
-- day: The UTC day.
-- hours_expected: Hours of the day from the stream's first loaded partition on.
-- hours_landed: Hours of it that are loaded, an empty hour too.
-- is_complete: Whether all hours are loaded that are expected.
-- estimate: The vendor's estimate of rows; NULL if it gives none.
-- landed: Records in the answers that were asked for the day; those of a covered day count for the first day of the answer.
-- events: Events that happened on the day, whichever answer brought them.
-- late_share: Share of them received more than an hour after the end of their hour or day; NULL if unknown.
-- lateness_p99: The time from the event within which 99 % of them were received; NULL if unknown.
-- horizon: The end of the stream's last loaded partition: what happened from then on is not loaded yet.
with spans as (
    select
        connection,
        stream,
        min(window_start) as begins,
        max(window_end) as horizon
    from ops.partitions
    group by all
),

days as (
    select
        connection,
        stream,
        begins,
        horizon,
        unnest(
            generate_series(
                date_trunc('day', timezone('UTC', begins)),
                timezone('UTC', horizon) - interval 1 microsecond,
                interval 1 day
            )
        )::date as day
    from spans
),

landed as (
    select
        connection,
        stream,
        timezone('UTC', window_start)::date as day,
        sum(date_diff('hour', window_start, window_end))::bigint as hours,
        sum(estimate)::bigint as estimate,
        sum(landed)::bigint as landed
    from ops.partitions
    group by all
)

select
    days.connection,
    days.stream,
    days.day,
    least(24, date_diff('hour', timezone('UTC', days.begins), days.day + interval 1 day))::bigint as hours_expected,
    coalesce(landed.hours, 0) as hours_landed,
    hours_landed >= hours_expected as is_complete,
    landed.estimate,
    coalesce(landed.landed, 0) as landed,
    coalesce(delays.happened, 0) as events,
    case when delays.events > 0 then delays.after_1h / delays.events end as late_share,
    make_timestamp(delays.most_99) - make_timestamp(0) as lateness_p99,
    days.horizon
from days
left join landed using (connection, stream, day)
left join internal.delays_by_day as delays
    on delays.connection = days.connection
    and delays.stream = days.stream
    and delays.occurred_on = days.day
