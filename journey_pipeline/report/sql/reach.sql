-- How far the connection's streams reach, and hours without data between their first and last
select
    stream,
    strftime(min(day), '%Y-%m-%d') as since,
    strftime(timezone('UTC', max(horizon)), '%Y-%m-%d %H:%M') as until,
    sum(hours_expected - hours_landed)::bigint as hours_missing
from ops.days
where connection = {connection}
group by stream
order by stream
