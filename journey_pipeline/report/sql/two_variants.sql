-- The two most frequent outcomes of the split that most came to, side by side: how far the enrolments of each came
with passed as (
    select
        connection,
        enrolment_id,
        is_let_in,
        step_key,
        activity_id,
        activity_name,
        action,
        outcome
    from marts.enrolment_steps
    where connection = {connection}
        and journey_root_id = {root}
        and entered_on >= {first}::date
        and entered_on < {last}::date
),
outcomes as (
    select
        step_key,
        outcome,
        count(distinct enrolment_id) as enrolments
    from passed
    where is_let_in
        and action = 'decide'
        and outcome is not null
    group by step_key, outcome
),
split as (
    select step_key
    from outcomes
    group by step_key
    having count(*) > 1
    order by sum(enrolments) desc, step_key
    limit 1
),
chosen as (
    select
        step_key,
        outcome,
        enrolments
    from outcomes
    semi join split using (step_key)
    order by enrolments desc, outcome
    limit 2
),
sides as (
    select
        any_value(step_key) as split,
        min(outcome) as one,
        max(outcome) as other,
        min_by(enrolments, outcome) as entered_one,
        max_by(enrolments, outcome) as entered_other
    from chosen
    having count(*) = 2
),
members as (
    select
        enrolment_id,
        min(outcome) as side
    from passed
    join sides on step_key = split and outcome in (one, other)
    where is_let_in
    group by enrolment_id
)
select
    steps.step_key as step,
    coalesce(any_value(steps.activity_name), steps.step_key) as name,
    min(places.step_rank) as rank,
    any_value(one) as one,
    count(distinct enrolment_id) filter (side = one) as reached_one,
    round(100 * count(distinct enrolment_id) filter (side = one) / any_value(entered_one), 1) as percent_one,
    any_value(other) as other,
    count(distinct enrolment_id) filter (side = other) as reached_other,
    round(100 * count(distinct enrolment_id) filter (side = other) / any_value(entered_other), 1) as percent_other
from passed as steps
join members using (enrolment_id)
cross join sides
left join core.activities as places
    on steps.connection = places.connection
    and steps.activity_id = places.activity_id
group by steps.step_key
order by rank nulls last, step
