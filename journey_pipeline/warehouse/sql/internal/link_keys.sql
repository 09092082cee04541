-- Events that a stream and its twin may both report. An event without a value of the property is never a twin's event.
-- Grain: one row per event and pair of streams.
-- Key: link_key, event_key.
-- Made: by occurred_on, connection.
--
-- link_key: The same for events that are one: a hash of streams, value and action.
-- event_key: The event.
-- occurred_on: Its UTC day.
-- connection: The configured account.
-- stream: The stream of the pair whose events marts leave out.
-- is_of_twin: Whether it is the twin's event.
-- told_journey_id: The journey that the event names; NULL without a journey, and of the twin's events.
-- told_journey_name: Its name that the event names; NULL without a journey, and of the twin's events.
-- told_journey_version: Its version that the event names; NULL without a journey, and of the twin's events.
-- told_enrolment_id: The passage that the event names; NULL without a journey, and of the twin's events.
-- told_activity_id: The step that the event names; NULL without a journey, and of the twin's events.
-- told_activity_name: The step's name that the event names; NULL without a journey, and of the twin's events.
-- told_activity_type: The step's type that the event names; NULL without a journey, and of the twin's events.
-- told_next_activity_id: The next step that the event names; NULL without a journey, and of the twin's events.
with told as (
    select
        events.event_key,
        events.occurred_on,
        events.action,
        events.stream = pairs.twin_stream as is_of_twin,
        events.stream <> pairs.twin_stream and events.journey_id is not null as names_journey,
        json_extract_string(events.properties, pairs.property) as value,
        case when names_journey then events.journey_id end as told_journey_id,
        case when names_journey then events.journey_name end as told_journey_name,
        case when names_journey then events.journey_version end as told_journey_version,
        case when names_journey then events.enrolment_id end as told_enrolment_id,
        case when names_journey then events.activity_id end as told_activity_id,
        case when names_journey then events.activity_name end as told_activity_name,
        case when names_journey then events.activity_type end as told_activity_type,
        case when names_journey then events.next_activity_id end as told_next_activity_id,
        pairs
    from core.journey_events as events
    join internal.linked_streams as pairs
        on events.connection = pairs.connection
        and events.channel = pairs.channel
        and events.stream in (pairs.stream, pairs.twin_stream)
)
select
    unhex(md5(concat(to_json(pairs), to_json([action, value]))))::uuid as link_key,
    event_key,
    occurred_on,
    pairs.connection as connection,
    pairs.stream as stream,
    is_of_twin,
    told_journey_id,
    told_journey_name,
    told_journey_version,
    told_enrolment_id,
    told_activity_id,
    told_activity_name,
    told_activity_type,
    told_next_activity_id
from told
where value <> ''
