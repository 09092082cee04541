-- All journeys, the busiest first; NULL for what the vendor does not tell
select
    connection,
    journey_root_id as root,
    any_value(journey_name) as name,
    count(distinct journey_id) as versions,
    min(entered_on) as first_day,
    max(entered_on) as last_day,
    count(*) filter (entry_is_known and status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    case when bool_or(told.finished) then count(*) filter (entry_is_known and status = 'finished') end as finished,
    case when bool_or(told.failed) then count(*) filter (entry_is_known and status = 'failed') end as failed,
    case
        when bool_or(told.converted)
            then count(*) filter (entry_is_known and status <> 'refused' and converted_at is not null)
    end as reached_goal
from marts.journey_enrolments
join internal.told_ends as told using (connection)
where entered_on >= {first}::date
    and entered_on < {last}::date
group by connection, journey_root_id
order by entered desc, connection, root
