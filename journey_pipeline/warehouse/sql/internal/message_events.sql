-- Events of messages: tries to send one, and what people did with it. Tests are left out, and linked events.
-- An event that stands for a left-out twin of the same day has the twin's journey and step.
-- Grain: one row per event.
-- Key: event_key.
-- Made: by occurred_on, connection.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- message_id: The message, such as an e-mail.
-- contact_id: The person; for APSIS e-mail events the address.
-- email: The person's address in lower case.
-- journey_id: The journey; NULL for a message outside of journeys.
-- activity_id: The step; outside of journeys the part of the message that was sent, such as a split's.
-- variation: The variation of a split; NULL where there is none.
-- occurred_at: When it happened, UTC.
-- channel: The channel.
-- action: What happened.
-- outcome: The outcome in the vendor's words, such as the kind of a bounce.
-- reason_code: The vendor's code of the reason.
-- event_key: The event.
with left_out as (
    select
        event_key,
        twin_key
    from internal.links
    where not is_of_twin
        and twin_key is not null
),
taken_over as (
    select
        left_out.twin_key as event_key,
        min({'journey_id': twins.journey_id, 'activity_id': twins.activity_id}) as twin
    from core.journey_events as twins
    join left_out using (event_key)
    where twins.journey_id is not null
    group by all
)
select
    events.occurred_on,
    events.connection,
    events.message_id,
    events.contact_id,
    events.email,
    coalesce(
        taken_over.twin.journey_id, case when events.journey_id <> events.message_id then events.journey_id end
    ) as journey_id,
    coalesce(taken_over.twin.activity_id, events.activity_id) as activity_id,
    case when contains(events.properties::varchar, '"variation"') then events.properties ->> 'variation' end
        as variation,
    events.occurred_at,
    events.channel,
    events.action,
    events.outcome,
    events.reason_code,
    events.event_key
from core.journey_events as events
left join taken_over using (event_key)
anti join left_out on left_out.event_key = events.event_key
where events.message_id is not null
    and events.is_test is not true
    and events.action in (
        'send', 'fail', 'suppress', 'deliver', 'open', 'click', 'reply', 'bounce', 'unsubscribe', 'complain'
    )
