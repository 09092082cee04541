-- Events by weekday and hour, in the time zone of the report
select
    isodow(timezone({timezone}, occurred_at)) as weekday,
    hour(timezone({timezone}, occurred_at)) as hour,
    count(*) filter (action = 'send') as sent,
    count(*) as events
from core.journey_events
where connection = {connection}
    and journey_id in (
        select journey_id
        from core.journeys
        where connection = {connection}
            and journey_root_id = {root}
            and not is_test
    )
    and occurred_on >= {first}::date
    and occurred_on < {last}::date
    and not is_test
group by all
order by weekday, hour
