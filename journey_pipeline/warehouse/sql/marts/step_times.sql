-- How long enrolments took from step to step. Only those whose entry is known and that were let in.
-- Such as: from marts.step_times('root', first_day := date '2026-11-01')
-- Grain: one row per pair of steps, over all versions of a journey.
-- Key: from_step_key, to_step_key.
-- Made: a macro of root, first_day := date '1900-01-01', last_day := date '2100-01-01'.
--
-- from_step_key: The step's key; entered for the entry.
-- from_name: Its name.
-- to_step_key: The step's key.
-- to_name: Its name.
-- moves: How often.
-- seconds_mean: The mean.
-- seconds_median: Half of the moves took as long or less.
-- seconds_p90: 90 % of the moves took as long or less.
-- seconds_p95: 95 % of the moves took as long or less.
select
    case
        when steps.previous_activity_id is null then 'entered'
        else coalesce(earlier.step_key, steps.previous_activity_id)
    end as from_step_key,
    any_value(earlier.activity_name) as from_name,
    steps.step_key as to_step_key,
    any_value(steps.activity_name) as to_name,
    count(*) as moves,
    avg(steps.seconds_before) as seconds_mean,
    median(steps.seconds_before) as seconds_median,
    quantile_cont(steps.seconds_before, 0.9) as seconds_p90,
    quantile_cont(steps.seconds_before, 0.95) as seconds_p95
from marts.enrolment_steps as steps
left join core.activities as earlier
    on steps.connection = earlier.connection
    and steps.previous_activity_id = earlier.activity_id
where steps.journey_root_id = root
    -- Says nothing new, but tells DuckDB at the scan which journeys' steps it needs, even if root is a subquery.
    and steps.journey_id in (
        select versions.journey_id
        from internal.journey_roots as versions
        where versions.journey_root_id = root
    )
    and steps.is_let_in
    and steps.entered_on between first_day and last_day
group by 1, 3
order by moves desc
