-- Events and people per day, journey, step, channel and action, without dry runs and test sends.
-- An event that two streams report counts once, in its journey; see core.counted_events.
-- Grain: one row per day, journey, step, channel and action of a connection. Contacts can't be added up over rows.
-- Key: occurred_on, connection, journey_id, activity_id, channel, action.
-- Made: a view.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- journey_id: The journey; NULL for events without one, such as e-mails that go by themselves.
-- journey_name: Its name, from core.journeys.
-- journey_version: Its version number, from core.journeys.
-- activity_id: The step, or the e-mail; NULL for events without one.
-- activity_name: Its name, from core.activities.
-- activity_type: Its type, from core.activities.
-- channel: The channel, one of a fixed list.
-- action: What happened, one of a fixed list.
-- events: Number of events.
-- contacts: Number of different people.
select
    counted.occurred_on,
    counted.connection,
    counted.journey_id,
    journeys.journey_name,
    journeys.version as journey_version,
    counted.activity_id,
    activities.activity_name,
    activities.activity_type,
    counted.channel,
    counted.action,
    counted.events,
    counted.contacts
from internal.counts_by_day as counted
left join core.journeys using (connection, journey_id)
left join core.activities using (connection, activity_id)
