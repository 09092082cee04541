-- How enrolments moved from step to step: only those whose entry is known and that were let in; tests are left out.
-- What flows into a step flows out of it: to another step, or to the enrolment's status.
-- Grain: one row per version of a journey, UTC day of entry and pair of steps.
-- Key: connection, journey_id, entered_on, from_activity_id, to_activity_id.
-- Made: a view.
--
-- connection: The configured account.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version; where the vendor has none the journey.
-- journey_version: The version's number; NULL where the vendor lists none, as all but Salesforce.
-- journey_name: Name of the journey's newest listed version, or else the latest event's.
-- entered_on: The UTC day of entry.
-- from_activity_id: A step, or entered.
-- from_activity_name: The step's name, from core.activities.
-- to_activity_id: A step, or the status of an enrolment that had no later step, such as finished, failed or open.
-- to_activity_name: The step's name, from core.activities; NULL for a status.
-- moves: How often. Moves add up over rows.
-- seconds_total: Seconds between the two, added up; divided by moves, the mean; NULL where to_activity_id is a status.
select
    counts.connection,
    roots.journey_root_id,
    counts.journey_id,
    roots.journey_version,
    roots.journey_name,
    counts.entered_on,
    counts.from_activity_id,
    left_step.activity_name as from_activity_name,
    counts.to_activity_id,
    reached_step.activity_name as to_activity_name,
    counts.moves,
    case
        when counts.to_activity_id not in ('converted', 'exited', 'failed', 'finished', 'open')
            then round(counts.microseconds / 1e6)::bigint
    end as seconds_total
from internal.move_counts as counts
join internal.journey_roots as roots using (connection, journey_id)
left join core.activities as left_step
    on counts.connection = left_step.connection
    and counts.from_activity_id = left_step.activity_id
left join core.activities as reached_step
    on counts.connection = reached_step.connection
    and counts.to_activity_id = reached_step.activity_id
where not roots.is_test
