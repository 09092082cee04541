-- E-mails by day of sending: sent, delivered, bounced, opened, clicked. All counts add up over rows; rates are ratios of
-- sums, see the macro marts.email_rates. Tests are left out. An event that two streams report counts once, see
-- core.linked_events.
-- Grain: one row per e-mail, journey, step, variation and UTC day of sending.
-- Key: connection, message_id, journey_id, activity_id, variation, sent_on.
-- Made: a view.
--
-- connection: The configured account.
-- message_id: The message, such as an e-mail of APSIS or a step of Salesforce that sends.
-- journey_root_id: The journey, the same for all its versions; NULL for an e-mail outside of journeys.
-- journey_id: The journey's version; NULL for an e-mail outside of journeys.
-- journey_name: The journey's name; NULL for an e-mail outside of journeys.
-- activity_id: The step; outside of journeys the part of the e-mail that was sent, such as a split's.
-- activity_name: The step's name, from core.activities. Insider has it only with an analytics key.
-- variation: The variation of a split test; only APSIS tells it.
-- sent_on: The UTC day of the try, or of a response without a send.
-- is_ripe: Whether the connection has events of 7 days after it: before that, responses are still to come.
-- attempted: Tries to send one.
-- sent: E-mails handed over.
-- failed: Tries that failed.
-- suppressed: E-mails that the vendor held back.
-- delivered: E-mails delivered; NULL where the connection does not tell, as Salesforce and Insider.
-- bounced_hard: E-mails that came back for good; NULL where the connection does not tell, as Salesforce and Insider.
-- bounced_soft: E-mails that came back for now; NULL as bounced_hard.
-- bounced_unknown: E-mails that came back, of an unknown kind, or with a notice; NULL as bounced_hard.
-- opened: E-mails opened, by people or machines; NULL where the connection does not tell, as Salesforce.
-- opens: Opens; NULL where the connection does not tell, as Salesforce.
-- opened_machine: E-mails that only machines opened; always NULL, since no vendor tells them apart.
-- clicked: E-mails clicked; NULL where the connection does not tell, as Salesforce.
-- clicks: Clicks; NULL where the connection does not tell, as Salesforce.
-- engaged: E-mails opened or clicked; NULL where the connection tells of neither, as Salesforce.
-- unsubscribed: E-mails by which a person unsubscribed; NULL where the connection does not tell.
-- complained: E-mails of which a person complained; NULL where the connection does not tell.
-- responses_without_send: Responses whose send is not known, under their own day; they are in no other column.
with told as (
    select
        connection,
        bool_or(action = 'deliver') as deliveries,
        bool_or(action = 'bounce') as bounces,
        bool_or(action = 'open') as opens,
        bool_or(action = 'click') as clicks,
        bool_or(action = 'unsubscribe') as unsubscribes,
        bool_or(action = 'complain') as complaints,
        max(last_on) as last_on
    from internal.told_actions
    where channel = 'email'
    group by all
)
select
    counts.connection,
    counts.message_id,
    roots.journey_root_id,
    counts.journey_id,
    roots.journey_name,
    counts.activity_id,
    activities.activity_name,
    counts.variation,
    counts.sent_on,
    coalesce(counts.sent_on + 7 < told.last_on, false) as is_ripe,
    counts.attempted,
    counts.sent,
    counts.failed,
    counts.suppressed,
    case when told.deliveries then counts.delivered end as delivered,
    case when told.bounces then counts.bounced_hard end as bounced_hard,
    case when told.bounces then counts.bounced_soft end as bounced_soft,
    case when told.bounces then counts.bounced_unknown end as bounced_unknown,
    case when told.opens then counts.opened end as opened,
    case when told.opens then counts.opens end as opens,
    null::bigint as opened_machine,
    case when told.clicks then counts.clicked end as clicked,
    case when told.clicks then counts.clicks end as clicks,
    case when told.opens or told.clicks then counts.engaged end as engaged,
    case when told.unsubscribes then counts.unsubscribed end as unsubscribed,
    case when told.complaints then counts.complained end as complained,
    counts.responses_without_send
from internal.message_counts as counts
left join told on counts.connection = told.connection
left join internal.journey_roots as roots
    on counts.connection = roots.connection
    and counts.journey_id = roots.journey_id
left join core.activities
    on counts.connection = activities.connection
    and counts.activity_id = activities.activity_id
where counts.channel = 'email'
    and roots.is_test is not true
