-- The events that marts count: no tests, no events of test journeys, and of what two streams report only one.
-- An event that stands for the other stream's takes over that one's journey, passage and step, and keeps its message.
-- Grain: one row per event.
-- Key: event_key.
-- Made: a view.
--
-- event_key: Key of the event: a hash of connection, stream and the vendor's natural key.
-- vendor: The vendor's short name, such as sfmc.
-- connection: The connection that loaded the event.
-- stream: The kind of record, such as journey_history.
-- occurred_at: When it happened, UTC.
-- occurred_on: The UTC day on which it happened.
-- occurred_at_source: The vendor's field that occurred_at was read from.
-- received_at: When the vendor's server received it, UTC; NULL if unknown.
-- contact_id: The vendor's key of the person.
-- email: The person's e-mail address in lower case; NULL if the vendor gives none.
-- journey_id: The journey, flow or campaign; NULL for an e-mail that goes by itself.
-- journey_name: Its name in the event that names the journey.
-- journey_version: Its version there; NULL if it has none.
-- enrolment_id: The passage, as in core.journey_events, of the event that names the journey.
-- activity_id: The step, of the event that names the journey; without a journey the e-mail.
-- activity_name: The step's name in the event.
-- activity_type: The vendor's type of the step, lower case.
-- next_activity_id: The step that the vendor says comes next, lower case; NULL where it says nothing.
-- message_id: The message, such as an e-mail, as the vendor numbers it; NULL for events that are of no message.
-- channel: The channel, one of a fixed list; other if the vendor's type is unknown.
-- action: What happened, one of a fixed list; other if the vendor's code is unknown.
-- vendor_action: The vendor's own code or status.
-- outcome: The step's outcome, in the vendor's words; NULL if it tells none.
-- reason: The reason as text, with * in place of the person's key; NULL if the vendor gives none.
-- reason_code: The vendor's code of the reason, of the entry that reason is from; NULL if it gives none.
-- is_test: False or NULL: tests are left out.
-- properties: Every other field of the record under its own name.
-- partition_key: The partition of the lake that holds the event.
-- landing_file: The landed file it came from: partition/attempt/file.
-- landing_row: The record's number in that file, from 1, the header not counted.
select
    events.* replace (
        coalesce(links.told_journey_id, nullif(events.journey_id, events.message_id)) as journey_id,
        case
            when links.told_journey_id is not null then links.told_journey_name
            when events.journey_id = events.message_id then null
            else events.journey_name
        end as journey_name,
        case
            when links.told_journey_id is not null then links.told_journey_version
            when events.journey_id = events.message_id then null
            else events.journey_version
        end as journey_version,
        case when links.told_journey_id is null then events.enrolment_id else links.told_enrolment_id end as enrolment_id,
        case when links.told_journey_id is null then events.activity_id else links.told_activity_id end as activity_id,
        case when links.told_journey_id is null then events.activity_name else links.told_activity_name end
            as activity_name,
        case when links.told_journey_id is null then events.activity_type else links.told_activity_type end
            as activity_type,
        case when links.told_journey_id is null then events.next_activity_id else links.told_next_activity_id end
            as next_activity_id
    )
from core.journey_events as events
left join internal.links as links on links.event_key = events.event_key
where events.is_test is not true
    and (links.event_key is null or links.is_of_twin or links.twin_key is null)
    and not exists (
        from internal.test_journeys as tests
        where tests.connection = events.connection
            and tests.journey_id = events.journey_id
    )
