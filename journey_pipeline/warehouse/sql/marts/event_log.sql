-- Enrolments as an event log, as process-mining and path tools take it: case, activity and time, from the entry to the
-- end. Only enrolments whose entry is known and that were let in.
-- Grain: one row per entry, visit of a step, and end.
-- Key: connection, case_id, position.
-- Made: a view.
--
-- connection: The configured account.
-- case_id: The enrolment, as in marts.journey_enrolments.
-- position: Order inside of the case, from 0: sort by it, since several may have one time.
-- activity: entered, the step's name (its key if it has none), or how the enrolment ended.
-- timestamp: When it happened, UTC.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version.
-- channel: The step's channel; NULL for the entry and the end.
select
    connection,
    enrolment_id as case_id,
    0 as position,
    'entered' as activity,
    entered_at as timestamp,
    journey_root_id,
    journey_id,
    null as channel
from marts.journey_enrolments
where entry_is_known
    and status <> 'refused'
union all
select
    connection,
    enrolment_id,
    step_number,
    coalesce(activity_name, step_key),
    occurred_at,
    journey_root_id,
    journey_id,
    channel
from marts.enrolment_steps
where is_let_in
union all
select
    connection,
    enrolment_id,
    steps + 1,
    status,
    ended_at,
    journey_root_id,
    journey_id,
    null
from marts.journey_enrolments
where entry_is_known
    and status not in ('refused', 'open')
