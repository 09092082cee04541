-- Rates of e-mails by their days of sending, as ratios of sums. NULL where the connection does not tell.
-- Such as: from marts.email_rates(first_day := date '2026-11-01') where variation is not null
-- Grain: one row per e-mail, journey, step and variation.
-- Key: connection, message_id, journey_id, activity_id, variation.
-- Made: a macro of first_day := date '1900-01-01', last_day := date '2100-01-01'.
--
-- connection: The configured account.
-- message_id: The message.
-- journey_id: The journey's version; NULL for an e-mail outside of journeys.
-- journey_name: The journey's name.
-- activity_id: The step.
-- activity_name: The step's name.
-- variation: The variation of a split test.
-- sent: E-mails handed over.
-- delivered: E-mails delivered.
-- open_rate: Opened of delivered, or of sent where the connection tells of no deliveries.
-- click_rate: Clicked of delivered, or of sent.
-- click_to_open: Clicked of opened.
-- bounce_rate: Came back of sent.
-- unsubscribe_rate: Unsubscribed of delivered, or of sent.
-- complaint_rate: Complained of delivered, or of sent.
with summed as (
    select
        connection,
        message_id,
        journey_id,
        any_value(journey_name) as journey_name,
        activity_id,
        any_value(activity_name) as activity_name,
        variation,
        sum(sent)::bigint as sent,
        sum(delivered)::bigint as delivered,
        sum(bounced_hard + bounced_soft + bounced_unknown) as bounced,
        sum(opened) as opened,
        sum(clicked) as clicked,
        sum(unsubscribed) as unsubscribed,
        sum(complained) as complained,
        nullif(coalesce(sum(delivered), sum(sent)), 0) as arrived
    from marts.email_performance
    where sent_on between first_day and last_day
    group by connection, message_id, journey_id, activity_id, variation
)
select
    connection,
    message_id,
    journey_id,
    journey_name,
    activity_id,
    activity_name,
    variation,
    sent,
    delivered,
    opened / arrived as open_rate,
    clicked / arrived as click_rate,
    clicked / nullif(opened, 0) as click_to_open,
    bounced / nullif(sent, 0) as bounce_rate,
    unsubscribed / arrived as unsubscribe_rate,
    complained / arrived as complaint_rate
from summed
