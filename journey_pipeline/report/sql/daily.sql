-- Enrolments by the UTC day of entry, and how they ended
select
    entered_on as day,
    count(*) filter (status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    count(*) filter (status = 'finished') as finished,
    count(*) filter (status = 'converted') as converted,
    count(*) filter (status = 'exited') as exited,
    count(*) filter (status = 'failed') as failed,
    count(*) filter (status = 'refused') as refused
from marts.journey_enrolments
where connection = {connection}
    and journey_root_id = {root}
    and entry_is_known
    and entered_on >= {first}::date
    and entered_on < {last}::date
group by all
order by day
