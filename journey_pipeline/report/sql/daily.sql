-- Enrolments by the UTC day of entry, and how they ended; NULL for what the vendor does not tell
select
    entered_on as day,
    count(*) filter (status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    case when bool_or(told.finished) then count(*) filter (status = 'finished') end as finished,
    case when bool_or(told.converted) then count(*) filter (status = 'converted') end as converted,
    case when bool_or(told.exited) then count(*) filter (status = 'exited') end as exited,
    case when bool_or(told.failed) then count(*) filter (status = 'failed') end as failed,
    case when bool_or(told.refused) then count(*) filter (status = 'refused') end as refused
from marts.journey_enrolments
join internal.told_ends as told using (connection)
where connection = {connection}
    and journey_root_id = {root}
    and entry_is_known
    and entered_on >= {first}::date
    and entered_on < {last}::date
group by all
order by day
