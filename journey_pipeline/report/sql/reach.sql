-- How far the connection's streams reach, and hours without data between their first and last
select
    stream,
    strftime(min(day + to_hours(24 - hours_expected)), '%Y-%m-%d %H:%M') as since,
    strftime(timezone('UTC', max(horizon)), '%Y-%m-%d %H:%M') as until,
    sum(
        hours_expected - hours_landed - greatest(0, date_diff('hour', timezone('UTC', horizon), day + interval 1 day))
    )::bigint as hours_missing
from ops.days
where connection = {connection}
group by stream
order by stream
