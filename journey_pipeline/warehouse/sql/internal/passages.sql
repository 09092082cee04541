-- What became of each passage of a person through a journey, without names; see marts.journey_enrolments.
-- Grain: one row per passage.
-- Key: connection, journey_id, contact_id, enrolment_id, first_event_at.
-- Made: by connection, journey_id, contact_id, enrolment_id.
-- Beside: internal.root_ids by connection, journey_id.
-- Lives: internal.passages.
-- Number: passage_number of connection, journey_id, contact_id, enrolment_id.
-- Number: root_number of connection, journey_root_id, contact_id.
-- Number: id_number of connection, enrolment_id.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- contact_id: The person.
-- enrolment_id: The passage as the vendor numbers it; NULL where it does not.
-- first_event_at: Time of its first event, UTC.
-- last_event_at: Time of its last event, UTC.
-- entered_at: Time of its first enter, UTC; NULL if that was before the history.
-- is_let_in: Whether its entry is known and was not refused: funnels count only such.
-- status: See marts.journey_enrolments.
-- end_reason: Why it ended so.
-- named_activity_id: The step that the vendor named last as the next.
-- converted_at: Time of its first goal, UTC.
-- last_activity_id: Its last step.
-- steps: Steps visited.
-- sends: Messages handed over.
-- failures: Steps that failed or were held back.
-- journey_root_id: See core.journeys.
-- passage_number: Hash of connection, journey_id, contact_id and enrolment_id.
-- root_number: Hash of connection, journey_root_id and contact_id.
-- id_number: Hash of connection and enrolment_id.
with made as (
    select
        connection,
        journey_id,
        contact_id,
        enrolment_id,
        first_event_at,
        max(occurred_at) as last_event_at,
        any_value(entered_at) as entered_at,
        any_value(is_let_in) as is_let_in,
        any_value(status) as status,
        any_value(end_reason) as end_reason,
        any_value(named_activity_id) as named_activity_id,
        min(occurred_at) filter (action = 'convert') as converted_at,
        any_value(coalesce(activity_id, previous_activity_id)) filter (status is not null and step_number is not null)
            as last_activity_id,
        count(step_number) as steps,
        count(*) filter (action = 'send') as sends,
        count(*) filter (action in ('fail', 'suppress')) as failures
    from internal.passage_steps
    group by all
)

select
    *,
    hash(connection, journey_id, contact_id, enrolment_id) as passage_number,
    hash(connection, journey_root_id, contact_id) as root_number,
    hash(connection, enrolment_id) as id_number
from made
join internal.root_ids using (connection, journey_id)
order by first_event_at
