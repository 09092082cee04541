-- Messages to people: each try to send one (send, fail, suppress), and what the person did with it; no tests.
-- A response belongs to the last send of the same message to the same person within 30 days before; without one it is a
-- row of its own. An event that two streams report counts once, see core.linked_events.
-- Grain: one row per try to send a message to a person, and per response without one.
-- Key: connection, event_key.
-- Made: a view.
--
-- connection: The configured account.
-- event_key: The try in core.journey_events; or the response without a known send.
-- message_id: The message, such as an e-mail of APSIS or a step of Salesforce that sends.
-- channel: The channel.
-- contact_id: The vendor's key of the person; for APSIS e-mail events the address.
-- email: The person's address in lower case; NULL for Salesforce.
-- domain: The address's domain; NULL for Salesforce.
-- journey_root_id: The journey, the same for all its versions; NULL for a message outside of journeys.
-- journey_id: The journey's version; NULL for a message outside of journeys.
-- journey_name: The journey's name; NULL for a message outside of journeys.
-- activity_id: The step; outside of journeys the part of the message that was sent, such as a split's.
-- activity_name: The step's name, from core.activities. Insider has it only with an analytics key.
-- variation: The variation of a split test; only APSIS tells it.
-- sent_at: When it was handed over, UTC; NULL if it was not, or if the send is not known.
-- sent_on: The UTC day of the try, or of the response without a send.
-- local_on: The day of the same in the time zone of reports (JOURNEY_PIPELINE_REPORT_TIMEZONE, or UTC).
-- status: sent, failed, suppressed, delivered or bounced; NULL for a response without a send.
-- reason_code: The vendor's code of why it failed or was held back.
-- delivered_at: When it was delivered, UTC; Salesforce does not tell.
-- first_opened_at: When it was first opened, by a person or a machine, UTC; Salesforce does not tell.
-- first_clicked_at: When it was first clicked, UTC; Salesforce does not tell.
-- opens: How often it was opened; NULL where the connection tells of no opens of the channel.
-- clicks: How often it was clicked; NULL where the connection tells of no clicks of the channel.
-- bounced_at: When it came back, UTC.
-- bounce: hard, soft, info or unknown; NULL if it did not come back.
-- bounce_code: The vendor's code of the bounce.
-- unsubscribed_at: When the person unsubscribed by it, UTC.
-- complained_at: When the person complained of it, UTC; NULL if never, or if the vendor does not tell.
select
    messages.connection,
    messages.event_key,
    messages.message_id,
    messages.channel,
    messages.contact_id,
    messages.email,
    nullif(split_part(messages.email, '@', 2), '') as domain,
    roots.journey_root_id,
    messages.journey_id,
    roots.journey_name,
    messages.activity_id,
    activities.activity_name,
    messages.variation,
    case when messages.tried = 'send' then messages.first_event_at end as sent_at,
    timezone('UTC', messages.first_event_at)::date as sent_on,
    timezone((select timezone from internal.report_timezone), messages.first_event_at)::date as local_on,
    case
        when messages.tried = 'fail' then 'failed'
        when messages.tried = 'suppress' then 'suppressed'
        when messages.tried is null then null
        when messages.bounced_at is not null then 'bounced'
        when messages.delivered_at is not null then 'delivered'
        else 'sent'
    end as status,
    messages.reason_code,
    messages.delivered_at,
    messages.first_opened_at,
    messages.first_clicked_at,
    case when opening.action is not null then messages.opens end as opens,
    case when clicking.action is not null then messages.clicks end as clicks,
    messages.bounced_at,
    messages.bounce,
    messages.bounce_code,
    messages.unsubscribed_at,
    messages.complained_at
from internal.messages
left join internal.journey_roots as roots using (connection, journey_id)
left join core.activities using (connection, activity_id)
left join internal.told_actions as opening
    on messages.connection = opening.connection and messages.channel = opening.channel and opening.action = 'open'
left join internal.told_actions as clicking
    on messages.connection = clicking.connection and messages.channel = clicking.channel and clicking.action = 'click'
where roots.is_test is not true
