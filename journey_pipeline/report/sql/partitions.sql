-- How far the connection's streams reach, and hours without data between their first and last
select
    stream,
    strftime(min(window_start), '%Y-%m-%d %H:%M') as since,
    strftime(max(window_end), '%Y-%m-%d %H:%M') as until,
    greatest(
        date_diff('hour', min(window_start), max(window_end)) - sum(date_diff('hour', window_start, window_end)), 0
    )::bigint as hours_missing
from ops.partitions
where connection = {connection}
group by stream
order by stream
