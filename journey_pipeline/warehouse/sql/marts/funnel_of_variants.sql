-- Two variants of a journey side by side: enrolments by the outcome that they had at a split, and how far each came.
-- Such as: from marts.funnel_of_variants('root', 'ABNTEST-1', 'A', 'B')
-- Grain: one row per step.
-- Key: step_key.
-- Made: a macro of root, split, one, other, first_day := date '1900-01-01', last_day := date '2100-01-01'.
--
-- step_key: The step's key; the split's own is reached by all.
-- activity_name: Its name.
-- reached_one: Enrolments of the one outcome that were at the step.
-- share_one: Of all of that outcome.
-- reached_other: Enrolments of the other outcome that were at the step.
-- share_other: Of all of that outcome.
with variants as materialized (
    select
        connection,
        enrolment_id,
        min(outcome) as outcome
    from marts.enrolment_steps
    where journey_root_id = root
        and step_key = split
        and outcome in (one, other)
        and is_let_in
        and entered_on between first_day and last_day
    group by connection, enrolment_id
),
reached as (
    select
        steps.step_key,
        any_value(steps.activity_name) as activity_name,
        count(distinct (steps.connection, steps.enrolment_id)) filter (variants.outcome = one) as reached_one,
        count(distinct (steps.connection, steps.enrolment_id)) filter (variants.outcome = other) as reached_other
    from marts.enrolment_steps as steps
    join variants
        on steps.connection = variants.connection
        and steps.enrolment_id = variants.enrolment_id
    where steps.journey_root_id = root
    group by steps.step_key
)
select
    step_key,
    activity_name,
    reached_one,
    reached_one / nullif(max(reached_one) filter (step_key = split) over (), 0) as share_one,
    reached_other,
    reached_other / nullif(max(reached_other) filter (step_key = split) over (), 0) as share_other
from reached
order by greatest(reached_one, reached_other) desc
