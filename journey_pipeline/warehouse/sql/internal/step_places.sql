-- What passages need of the steps of journeys: where a step stands in its journey, and whether it is an end.
-- Grain: one row per step of a journey that has a place or is an end.
-- Key: connection, journey_id, activity_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The journey.
-- activity_id: The step.
-- step_rank: See core.activities.
-- is_end: See core.activities.
select
    connection,
    journey_id,
    activity_id,
    null::bigint as step_rank,
    outcomes is not null and not contains(outcomes::varchar, '"next"') as is_end
from core.activities
where journey_id is not null
    and outcomes is not null
