-- All journeys, the busiest first
select
    connection,
    journey_root_id as root,
    any_value(journey_name) as name,
    count(distinct journey_id) as versions,
    min(entered_on) as first_day,
    max(entered_on) as last_day,
    count(*) filter (entry_is_known and status <> 'refused') as entered,
    count(*) filter (status = 'open') as open,
    count(*) filter (entry_is_known and status = 'finished') as finished,
    count(*) filter (entry_is_known and status = 'failed') as failed,
    count(*) filter (entry_is_known and status <> 'refused' and converted_at is not null) as reached_goal
from marts.journey_enrolments
where entered_on >= {first}::date
    and entered_on < {last}::date
group by connection, journey_root_id
order by entered desc, connection, root
