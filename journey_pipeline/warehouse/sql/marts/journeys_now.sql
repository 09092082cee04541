-- Who is in a journey now: open enrolments, by the step that they are at. Tests are left out.
-- Grain: one row per version of a journey and step.
-- Key: connection, journey_id, activity_id.
-- Made: a view.
--
-- connection: The configured account.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version; where the vendor has none the journey.
-- journey_version: The version's number; NULL where the vendor lists none, as all but Salesforce.
-- journey_name: Name of the journey's newest listed version, or else the latest event's.
-- activity_id: The step that the vendor named as the next; or else the last step; NULL if there is neither.
-- activity_name: The step's name, from core.activities.
-- enrolments: Open enrolments there.
-- since: The earliest time at which one of them came there, UTC.
-- From the passages themselves: marts.journey_enrolments would look up all their numbers, for counts that need none.
with counted as (
    select
        connection,
        journey_id,
        coalesce(named_activity_id, last_activity_id) as activity_id,
        count(*) as enrolments,
        min(last_event_at) as since
    from internal.passages
    where status = 'open'
    group by all
)
select
    counted.connection,
    roots.journey_root_id,
    counted.journey_id,
    roots.journey_version,
    roots.journey_name,
    counted.activity_id,
    activities.activity_name,
    counted.enrolments,
    counted.since
from counted
join internal.journey_roots as roots using (connection, journey_id)
left join core.activities as activities using (connection, activity_id)
where not roots.is_test
