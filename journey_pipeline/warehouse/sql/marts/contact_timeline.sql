-- What one person went through, at all vendors: filter by person_id (md5 of the address in lower case), or by contact_id
-- at one vendor, and sort by occurred_at, instant_order.
-- Tests are left out. An event that two streams report is there once, see core.counted_events.
-- Grain: one row per event.
-- Key: event_key.
-- Made: a view.
--
-- event_key: The event.
-- connection: The configured account.
-- contact_id: The vendor's key of the person; for APSIS e-mail events the address.
-- person_id: The person, as in core.contacts; NULL for an event without contact_id.
-- email: The address in the event, lower case; NULL for Salesforce.
-- occurred_at: When it happened, UTC.
-- instant_order: Sorts what happened in one instant: 1000 for each of enter, step and end, and the step's rank.
-- occurred_on: The UTC day.
-- local_on: The day in the time zone of reports (JOURNEY_PIPELINE_REPORT_TIMEZONE, or UTC).
-- channel: The channel.
-- action: What happened.
-- journey_root_id: The journey, the same for all its versions; NULL outside of journeys.
-- journey_id: The journey's version; NULL outside of journeys.
-- journey_name: The journey's name, of its newest listed version.
-- activity_id: The step.
-- activity_name: The step's name, from core.activities, or else the event's.
-- activity_type: The step's type in the event.
-- message_id: The message; NULL for events without one.
-- outcome: The step's outcome, in the vendor's words; NULL if it tells none.
-- reason: The reason as text.
-- enrolment_id: The enrolment where the vendor numbers it (Salesforce); NULL otherwise.
select
    events.event_key,
    events.connection,
    events.contact_id,
    contacts.person_id,
    events.email,
    events.occurred_at,
    case
        when events.action = 'enter' or (events.action = 'skip' and events.channel = 'journey') then 0
        when events.action in ('exit', 'convert') then 2000
        else 1000
    end + least(coalesce(activities.step_rank, 0), 999) as instant_order,
    events.occurred_on,
    timezone((select timezone from internal.report_timezone), events.occurred_at)::date as local_on,
    events.channel,
    events.action,
    roots.journey_root_id,
    events.journey_id,
    coalesce(roots.journey_name, events.journey_name) as journey_name,
    events.activity_id,
    coalesce(activities.activity_name, events.activity_name) as activity_name,
    events.activity_type,
    events.message_id,
    events.outcome,
    events.reason,
    events.enrolment_id
from core.counted_events as events
left join core.contacts as contacts
    on events.connection = contacts.connection
    and events.contact_id = contacts.contact_id
left join internal.journey_roots as roots
    on events.connection = roots.connection
    and events.journey_id = roots.journey_id
left join core.activities
    on events.connection = activities.connection
    and events.activity_id = activities.activity_id
