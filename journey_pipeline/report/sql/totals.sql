-- Entered, open, finished, and how many reached the goal; open also counts those who entered before the history
select
    count(*) filter (entry_is_known and status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    count(*) filter (entry_is_known and status = 'open') as entered_and_open,
    count(*) filter (entry_is_known and status = 'finished') as finished,
    count(*) filter (entry_is_known and status = 'failed') as failed,
    count(*) filter (entry_is_known and status <> 'refused' and converted_at is not null) as reached_goal,
    count(*) filter (status = 'refused') as refused
from marts.journey_enrolments
where connection = {connection}
    and journey_root_id = {root}
    and entered_on >= {first}::date
    and entered_on < {last}::date
