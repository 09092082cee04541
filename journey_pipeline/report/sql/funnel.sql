-- How far enrolments came, by the step's place in the journey
select
    step_key as step,
    coalesce(arg_max(activity_name, coalesce(journey_version, 0)), step_key) as name,
    any_value(activity_type) as type,
    min(step_rank) as rank,
    sum(reached)::bigint as reached,
    sum(failed)::bigint as failed,
    sum(went_on)::bigint as went_on,
    sum(ended_here)::bigint as ended_here,
    sum(open_here)::bigint as open_here
from marts.journey_funnel
where connection = {connection}
    and journey_root_id = {root}
    and entered_on >= {first}::date
    and entered_on < {last}::date
group by step_key
order by rank nulls last, reached desc, step
