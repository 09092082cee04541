-- How far each UTC day is loaded, by stream of the connection
select
    stream,
    day,
    hours_expected,
    hours_landed,
    events
from ops.days
where connection = {connection}
order by stream, day
