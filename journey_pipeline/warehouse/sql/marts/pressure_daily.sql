-- How many messages people got in the last days: on each day on which a person was sent one. Tests are left out.
-- Grain: one row per person of a connection and UTC day with a message.
-- Key: connection, contact_id, sent_on.
-- Made: a view.
--
-- connection: The configured account.
-- contact_id: The vendor's key of the person; for APSIS e-mail events the address.
-- email: The person's address in lower case; NULL for Salesforce.
-- sent_on: The UTC day.
-- messages: Messages handed over on the day: e-mail, SMS, WhatsApp and app push.
-- messages_7_days: On this day and the 6 before.
-- messages_30_days: On this day and the 29 before.
with daily as (
    select
        connection,
        contact_id,
        max(email) as email,
        timezone('UTC', first_event_at)::date as sent_on,
        count(*) as messages
    from internal.messages
    where tried = 'send'
        and channel in ('email', 'sms', 'whatsapp', 'app_push')
    group by connection, contact_id, timezone('UTC', first_event_at)::date
)
select
    connection,
    contact_id,
    email,
    sent_on,
    messages,
    sum(messages) over (
        partition by connection, contact_id order by sent_on range between interval 6 days preceding and current row
    )::bigint as messages_7_days,
    sum(messages) over (
        partition by connection, contact_id order by sent_on range between interval 29 days preceding and current row
    )::bigint as messages_30_days
from daily
