-- Versions of the journey, with the days on which people entered
select
    journey_version as version,
    journey_id,
    min(entered_on) as first_day,
    max(entered_on) as last_day,
    count(*) filter (entry_is_known and status <> 'refused') as entered
from marts.journey_enrolments
where connection = {connection}
    and journey_root_id = {root}
    and entered_on >= {first}::date
    and entered_on < {last}::date
group by all
order by version nulls last, journey_id
