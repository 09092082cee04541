-- How many passages went from one step to another, without names; see marts.journey_transitions.
-- Grain: one row per journey, UTC day of entry and pair of steps.
-- Key: connection, journey_id, entered_on, from_activity_id, to_activity_id.
-- Made: by adding up.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- entered_on: The UTC day of entry.
-- from_activity_id: A step, or entered.
-- to_activity_id: A step, or the status of a passage that went no further.
-- moves: How often.
-- microseconds: Between the two, in all; 0 where the second is a status.
select
    connection,
    journey_id,
    entered_at::date as entered_on,
    coalesce(previous_activity_id, 'entered') as from_activity_id,
    activity_id as to_activity_id,
    count(*) as moves,
    sum(microseconds_before)::bigint as microseconds
from internal.passage_steps
where step_number is not null
    and is_let_in
    and activity_id is not null
group by all
union all
select
    connection,
    journey_id,
    entered_at::date as entered_on,
    coalesce(last_activity_id, 'entered') as from_activity_id,
    status as to_activity_id,
    count(*) as moves,
    0 as microseconds
from internal.passages
where is_let_in
group by all
