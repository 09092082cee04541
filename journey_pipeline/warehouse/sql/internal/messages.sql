-- Messages to people and what came of each, without names; see marts.messages.
-- Grain: one row per try to send a message to a person, and per response without one.
-- Key: event_key.
-- Made: by connection, message_id, contact_id.
-- Lives: internal.messages.
--
-- connection: The configured account.
-- message_id: The message, such as an e-mail.
-- contact_id: The person.
-- event_key: The try, or the response without one.
-- first_event_at: When it was tried, UTC, or the time of a response without a send.
-- last_event_at: Time of its last event, UTC.
-- email: The person's address in lower case.
-- journey_id: The journey; NULL for a message outside of journeys.
-- activity_id: The step.
-- variation: The variation of a split.
-- channel: The channel.
-- tried: send, fail or suppress; NULL for a response without a send.
-- reason_code: The vendor's code of why it failed or was held back.
-- delivered_at: See marts.messages.
-- first_opened_at: See marts.messages.
-- first_clicked_at: See marts.messages.
-- opens: See marts.messages.
-- clicks: See marts.messages.
-- bounced_at: See marts.messages.
-- bounce: See marts.messages.
-- bounce_code: See marts.messages.
-- unsubscribed_at: See marts.messages.
-- complained_at: See marts.messages.
with sent_before as (
    select
        *,
        action in ('send', 'fail', 'suppress') as is_try,
        last_value(case when action = 'send' then {'key': event_key, 'at': occurred_at} end ignore nulls) over (
            partition by connection, message_id, contact_id
            order by occurred_at, action <> 'send', event_key rows unbounded preceding
        ) as sent
    from internal.message_events
),
assigned as (
    select
        *,
        case when not is_try and sent.at >= occurred_at - interval 30 days then sent.key else event_key end
            as message_key
    from sent_before
)
select
    connection,
    message_id,
    contact_id,
    message_key as event_key,
    min(occurred_at) as first_event_at,
    max(occurred_at) as last_event_at,
    max(email) filter (event_key = message_key) as email,
    max(journey_id) filter (event_key = message_key) as journey_id,
    max(activity_id) filter (event_key = message_key) as activity_id,
    max(variation) filter (event_key = message_key) as variation,
    max(channel) filter (event_key = message_key) as channel,
    max(action) filter (is_try) as tried,
    max(reason_code) filter (is_try) as reason_code,
    min(occurred_at) filter (action = 'deliver') as delivered_at,
    min(occurred_at) filter (action = 'open') as first_opened_at,
    min(occurred_at) filter (action = 'click') as first_clicked_at,
    count(*) filter (action = 'open') as opens,
    count(*) filter (action = 'click') as clicks,
    min(occurred_at) filter (action = 'bounce') as bounced_at,
    case
        when bounced_at is null then null
        else coalesce(min(outcome) filter (action = 'bounce' and outcome in ('hard', 'soft', 'info')), 'unknown')
    end as bounce,
    min(reason_code) filter (action = 'bounce') as bounce_code,
    min(occurred_at) filter (action = 'unsubscribe') as unsubscribed_at,
    min(occurred_at) filter (action = 'complain') as complained_at
from assigned
group by all
order by first_event_at
