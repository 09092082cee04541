-- Moves from step to step, and how enrolments ended
with keyed as (
    select
        coalesce(left_step.activity_key, from_activity_id) as from_step,
        from_activity_name as from_name,
        coalesce(reached_step.activity_key, to_activity_id) as to_step,
        to_activity_name as to_name,
        coalesce(journey_version, 0) as version,
        moves,
        seconds_total
    from marts.journey_transitions as transitions
    left join core.activities as left_step
        on transitions.connection = left_step.connection
        and transitions.from_activity_id = left_step.activity_id
    left join core.activities as reached_step
        on transitions.connection = reached_step.connection
        and transitions.to_activity_id = reached_step.activity_id
    where transitions.connection = {connection}
        and transitions.journey_root_id = {root}
        and transitions.entered_on >= {first}::date
        and transitions.entered_on < {last}::date
)
select
    from_step,
    coalesce(arg_max(from_name, version), from_step) as from_name,
    to_step,
    coalesce(arg_max(to_name, version), to_step) as to_name,
    sum(moves)::bigint as moves,
    round(sum(seconds_total) / sum(moves) / 3600, 2) as mean_hours
from keyed
group by from_step, to_step
order by moves desc, from_step, to_step
