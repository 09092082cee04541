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
select
    enrolments.connection,
    enrolments.journey_root_id,
    enrolments.journey_id,
    enrolments.journey_version,
    enrolments.journey_name,
    coalesce(enrolments.next_activity_id, enrolments.last_activity_id) as activity_id,
    any_value(activities.activity_name) as activity_name,
    count(*) as enrolments,
    min(enrolments.last_event_at) as since
from marts.journey_enrolments as enrolments
left join core.activities
    on enrolments.connection = activities.connection
    and coalesce(enrolments.next_activity_id, enrolments.last_activity_id) = activities.activity_id
where enrolments.status = 'open'
group by all
