-- Entered, open, finished, and how many reached the goal; open also counts those who entered before the history. NULL: not told
select
    count(*) filter (entry_is_known and status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    count(*) filter (entry_is_known and status = 'open') as entered_and_open,
    case when bool_or(told.finished) then count(*) filter (entry_is_known and status = 'finished') end as finished,
    case when bool_or(told.failed) then count(*) filter (entry_is_known and status = 'failed') end as failed,
    case
        when bool_or(told.converted)
            then count(*) filter (entry_is_known and status <> 'refused' and converted_at is not null)
    end as reached_goal,
    case when bool_or(told.refused) then count(*) filter (status = 'refused') end as refused
from marts.journey_enrolments
join internal.told_ends as told using (connection)
where connection = {connection}
    and journey_root_id = {root}
    and entered_on >= {first}::date
    and entered_on < {last}::date
