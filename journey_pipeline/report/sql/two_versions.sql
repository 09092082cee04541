-- The two newest versions that people entered, side by side: how far their enrolments came
with entered as (
    select
        journey_version,
        sum(reached) as entered
    from marts.journey_funnel
    where connection = {connection}
        and journey_root_id = {root}
        and entered_on >= {first}::date
        and entered_on < {last}::date
        and activity_id = 'entered'
        and journey_version is not null
    group by journey_version
    having sum(reached) > 0
    order by journey_version desc
    limit 2
),
sides as (
    select
        min(journey_version) as one,
        max(journey_version) as other,
        min_by(entered, journey_version) as entered_one,
        max_by(entered, journey_version) as entered_other
    from entered
    having count(*) = 2
)
select
    step_key as step,
    coalesce(arg_max(activity_name, journey_version), step_key) as name,
    min(step_rank) as rank,
    concat('version ', any_value(one)) as one,
    coalesce(sum(reached) filter (journey_version = one), 0)::bigint as reached_one,
    round(100 * coalesce(sum(reached) filter (journey_version = one), 0) / any_value(entered_one), 1)::double
        as percent_one,
    concat('version ', any_value(other)) as other,
    coalesce(sum(reached) filter (journey_version = other), 0)::bigint as reached_other,
    round(100 * coalesce(sum(reached) filter (journey_version = other), 0) / any_value(entered_other), 1)::double
        as percent_other
from marts.journey_funnel
join sides on journey_version in (one, other)
where connection = {connection}
    and journey_root_id = {root}
    and entered_on >= {first}::date
    and entered_on < {last}::date
group by step_key
order by rank nulls last, step
