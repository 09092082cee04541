-- How many messages people got in the last days: on each day on which a person was sent one. Tests are left out.
-- Grain: one row per person, connection and UTC day with a message.
-- Key: connection, person_id, sent_on.
-- Made: a view.
--
-- connection: The configured account.
-- person_id: The person, as in core.contacts: several contact_ids of one address are one.
-- sent_on: The UTC day.
-- messages: Messages that the connection handed over on the day: e-mail, SMS, WhatsApp and app push.
-- messages_7_days: On this day and the 6 before.
-- messages_30_days: On this day and the 29 before.
-- all_7_days: On this day and the 6 before, of all connections together. Don't add it up over connections.
-- all_30_days: On this day and the 29 before, of all connections together. Don't add it up over connections.
with daily as (
    select
        connection,
        contacts.person_id,
        timezone('UTC', messages.first_event_at)::date as sent_on,
        count(*) as messages
    from internal.messages as messages
    join core.contacts as contacts using (connection, contact_id)
    where messages.tried = 'send'
        and messages.channel in ('email', 'sms', 'whatsapp', 'app_push')
    group by connection, contacts.person_id, timezone('UTC', messages.first_event_at)::date
)
select
    connection,
    person_id,
    sent_on,
    messages,
    sum(messages) over (
        partition by connection, person_id order by sent_on range between interval 6 days preceding and current row
    )::bigint as messages_7_days,
    sum(messages) over (
        partition by connection, person_id order by sent_on range between interval 29 days preceding and current row
    )::bigint as messages_30_days,
    sum(messages) over (
        partition by person_id order by sent_on range between interval 6 days preceding and current row
    )::bigint as all_7_days,
    sum(messages) over (
        partition by person_id order by sent_on range between interval 29 days preceding and current row
    )::bigint as all_30_days
from daily
