-- Which of a person's passages through any version of a journey were not the first one; see marts.journey_enrolments.
-- Grain: one row per passage that was let in and is not the person's first known one.
-- Key: connection, journey_id, contact_id, enrolment_id, first_event_at.
-- Made: by connection, journey_root_id, contact_id.
-- Number: root_number of connection, journey_root_id, contact_id.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- journey_root_id: See core.journeys.
-- contact_id: The person.
-- enrolment_id: The passage as the vendor numbers it; NULL where it does not.
-- first_event_at: Time of its first event, UTC.
-- enrolment_number: From 2.
-- root_number: Hash of connection, journey_root_id and contact_id.
select
    connection,
    journey_id,
    journey_root_id,
    contact_id,
    enrolment_id,
    first_event_at,
    row_number() over (
        partition by connection, journey_root_id, contact_id order by first_event_at, journey_id, enrolment_id
    ) as enrolment_number,
    root_number
from internal.passages
where status <> 'refused'
    and contact_id is not null
qualify enrolment_number > 1
