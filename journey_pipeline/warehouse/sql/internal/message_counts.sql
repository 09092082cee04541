-- Messages and what came of them, counted under the day of sending, without names; see marts.email_performance.
-- Grain: one row per message, journey, step, variation and UTC day of sending.
-- Key: connection, channel, message_id, journey_id, activity_id, variation, sent_on.
-- Made: by adding up.
--
-- connection: The configured account.
-- channel: The channel.
-- message_id: The message, such as an e-mail.
-- journey_id: The journey.
-- activity_id: The step.
-- variation: The variation of a split.
-- sent_on: The UTC day of the try, or of a response without a send.
-- attempted: Tries.
-- sent: Messages handed over.
-- failed: Tries that failed.
-- suppressed: Messages held back.
-- delivered: Messages delivered.
-- bounced_hard: Messages that came back for good.
-- bounced_soft: Messages that came back for now.
-- bounced_unknown: Messages that came back, of an unknown kind, or with a notice.
-- opened: Messages opened.
-- opens: Opens.
-- clicked: Messages clicked.
-- clicks: Clicks.
-- engaged: Messages opened or clicked.
-- unsubscribed: Messages by which a person unsubscribed.
-- complained: Messages of which a person complained.
-- responses_without_send: Responses whose send is not known.
select
    connection,
    channel,
    message_id,
    journey_id,
    activity_id,
    variation,
    first_event_at::date as sent_on,
    count(tried) as attempted,
    count(*) filter (tried = 'send') as sent,
    count(*) filter (tried = 'fail') as failed,
    count(*) filter (tried = 'suppress') as suppressed,
    count(delivered_at) filter (tried is not null) as delivered,
    count(*) filter (tried is not null and bounce = 'hard') as bounced_hard,
    count(*) filter (tried is not null and bounce = 'soft') as bounced_soft,
    count(*) filter (tried is not null and bounce in ('info', 'unknown')) as bounced_unknown,
    count(first_opened_at) filter (tried is not null) as opened,
    coalesce(sum(opens) filter (tried is not null), 0)::bigint as opens,
    count(first_clicked_at) filter (tried is not null) as clicked,
    coalesce(sum(clicks) filter (tried is not null), 0)::bigint as clicks,
    count(*) filter (tried is not null and coalesce(first_opened_at, first_clicked_at) is not null) as engaged,
    count(unsubscribed_at) filter (tried is not null) as unsubscribed,
    count(complained_at) filter (tried is not null) as complained,
    count(*) filter (tried is null) as responses_without_send
from internal.messages
group by all
