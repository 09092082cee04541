-- Two versions of a journey side by side: how far the enrolments of each came.
-- Such as: from marts.funnel_of_versions('root', 1, 2)
-- Grain: one row per step of either version.
-- Key: step_key.
-- Made: a macro of root, one, other, first_day := date '1900-01-01', last_day := date '2100-01-01'.
--
-- step_key: The step's key; entered for all that entered.
-- activity_name: Its name.
-- step_rank: Its place, the smaller of both.
-- reached_one: Enrolments of the one version that were at the step.
-- share_one: Of all that entered that version.
-- reached_other: Enrolments of the other version that were at the step.
-- share_other: Of all that entered that version.
with reached as (
    select
        step_key,
        any_value(activity_name) as activity_name,
        min(step_rank) as step_rank,
        coalesce(sum(reached) filter (journey_version = one), 0)::bigint as reached_one,
        coalesce(sum(reached) filter (journey_version = other), 0)::bigint as reached_other
    from marts.journey_funnel
    where journey_root_id = root
        and journey_version in (one, other)
        and entered_on between first_day and last_day
    group by step_key
)
select
    step_key,
    activity_name,
    step_rank,
    reached_one,
    reached_one / nullif(max(reached_one) filter (step_key = 'entered') over (), 0) as share_one,
    reached_other,
    reached_other / nullif(max(reached_other) filter (step_key = 'entered') over (), 0) as share_other
from reached
order by step_rank nulls last, step_key
