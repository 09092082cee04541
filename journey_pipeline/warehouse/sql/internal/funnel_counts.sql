-- How many passages came to each step, without names; see marts.journey_funnel.
-- Grain: one row per journey, UTC day of entry and step.
-- Key: connection, journey_id, entered_on, activity_id.
-- Made: by adding up.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- entered_on: The UTC day of entry.
-- activity_id: The step; entered for all that entered.
-- reached: Passages that were at the step.
-- done: Of them, those that did it at least once.
-- failed: Of them, those at which it failed or was held back at least once.
-- went_on: Of them, those that came to another step after their last visit.
-- ended_here: Of them, those that are over and had none.
-- open_here: Of them, those that are open and had none.
select
    connection,
    journey_id,
    entered_at::date as entered_on,
    activity_id,
    count(*) as reached,
    count(*) filter (was_done) as done,
    count(*) filter (has_failed) as failed,
    count(*) filter (status is null) as went_on,
    count(*) filter (status <> 'open') as ended_here,
    count(*) filter (status = 'open') as open_here
from internal.passage_steps
where is_last_visit
    and is_let_in
    and activity_id is not null
group by all
union all
select
    connection,
    journey_id,
    entered_at::date as entered_on,
    'entered' as activity_id,
    count(*) as reached,
    count(*) as done,
    0 as failed,
    count(*) filter (steps > 0) as went_on,
    count(*) filter (steps = 0 and status <> 'open') as ended_here,
    count(*) filter (steps = 0 and status = 'open') as open_here
from internal.passages
where is_let_in
group by all
