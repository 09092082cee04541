-- How far enrolments came: only those whose entry is known and that were let in; tests are left out.
-- A step is reached by having been there, at any time after the entry. All counts are of enrolments and add up over
-- rows of one step. For a window of time, or another order than the journey's own, see the macro marts.funnel.
-- Grain: one row per version of a journey, UTC day of entry and step.
-- Key: connection, journey_id, entered_on, activity_id.
-- Made: a view.
--
-- connection: The configured account.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version; where the vendor has none the journey.
-- journey_version: The version's number; NULL where the vendor lists none, as all but Salesforce.
-- journey_name: Name of the journey's newest listed version, or else the latest event's.
-- entered_on: The UTC day of entry.
-- activity_id: The step; entered for all that entered.
-- step_key: The step's key, the same in all versions; entered for all that entered.
-- activity_name: The step's name, from core.activities. Insider has it only with an analytics key.
-- activity_type: The step's type, from core.activities.
-- step_rank: Place in the version's graph, 0 for entered; NULL where the vendor lists no graph (all but Salesforce).
-- reached: Enrolments that were at the step.
-- done: Of them, those that did it at least once.
-- failed: Of them, those at which it failed or was held back at least once.
-- went_on: Of them, those that came to another step after their last visit.
-- ended_here: Of them, those that are over and came to none. went_on, ended_here and open_here add up to reached.
-- open_here: Of them, those that are open and came to none.
select
    counts.connection,
    roots.journey_root_id,
    counts.journey_id,
    roots.journey_version,
    roots.journey_name,
    counts.entered_on,
    counts.activity_id,
    coalesce(activities.step_key, counts.activity_id) as step_key,
    activities.activity_name,
    activities.activity_type,
    case when counts.activity_id = 'entered' then 0 else places.step_rank end as step_rank,
    counts.reached,
    counts.done,
    counts.failed,
    counts.went_on,
    counts.ended_here,
    counts.open_here
from internal.funnel_counts as counts
join internal.journey_roots as roots using (connection, journey_id)
left join core.activities using (connection, activity_id)
left join internal.step_places as places
    on counts.connection = places.connection
    and counts.journey_id = places.journey_id
    and counts.activity_id = places.activity_id
where not roots.is_test
