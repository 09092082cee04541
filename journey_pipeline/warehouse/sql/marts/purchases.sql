-- Purchases, and the first and the last e-mail or SMS that the person opened or clicked before, at any vendor.
-- A touch counts for 5 days (e-mail) or 1 day (other channels), unless settings say otherwise. People are matched by the
-- person_id of core.contacts. The last click goes before the last open; of those of one instant, the greater event_key.
-- Grain: one row per order event (an event convert that is no goal of a journey).
-- Key: event_key.
-- Made: a view.
--
-- event_key: The purchase in core.counted_events.
-- connection: The configured account that tells of it.
-- contact_id: The vendor's key of the person; NULL if the vendor gives none, and then there is no touch.
-- person_id: The person, as in core.contacts; NULL without a key.
-- email: The address in the event, lower case; NULL if the vendor gives none.
-- occurred_at: When it happened, UTC.
-- occurred_on: The UTC day.
-- local_on: The day in the time zone of reports (JOURNEY_PIPELINE_REPORT_TIMEZONE, or UTC).
-- order_id: The vendor's number of the order.
-- amount: What was paid; NULL where the vendor does not tell.
-- currency: The currency of it.
-- last_touch_event_key: The last touch before it; NULL if there is none.
-- last_touch_connection: The account that tells of that touch.
-- last_touch_journey_root_id: The touch's journey, the same for all its versions; NULL outside of journeys.
-- last_touch_journey_id: The touch's version of it; NULL outside of journeys.
-- last_touch_activity_id: The touch's step; NULL where the vendor names none, as LayerFive.
-- last_touch_hours: Hours between the last touch and the purchase.
-- first_touch_event_key: The first touch in that time; NULL if there is none.
-- first_touch_connection: The account that tells of that touch.
-- first_touch_journey_root_id: The touch's journey, the same for all its versions; NULL outside of journeys.
-- first_touch_journey_id: The touch's version of it; NULL outside of journeys.
-- first_touch_activity_id: The touch's step; NULL where the vendor names none, as LayerFive.
with purchases as (
    select
        event_key,
        connection,
        contact_id,
        contacts.person_id,
        events.email,
        occurred_at,
        occurred_on,
        coalesce(properties ->> 'order_id', properties ->> '$.data.orderId') as order_id,
        try_cast(coalesce(properties ->> 'revenue', properties ->> '$.data.total') as decimal(18, 2)) as amount,
        coalesce(properties ->> 'currency', properties ->> '$.data.currency') as currency
    from core.counted_events as events
    left join core.contacts as contacts using (connection, contact_id)
    where action = 'convert'
        and channel <> 'journey'
),
touches as (
    select
        contacts.person_id,
        occurred_at,
        action,
        {
            'event_key': event_key,
            'connection': connection,
            'journey_root_id': roots.journey_root_id,
            'journey_id': journey_id,
            'activity_id': activity_id,
            'at': occurred_at
        } as touch,
        occurred_at + to_milliseconds((windows.hours * 3600000)::bigint) as until
    from core.counted_events as events
    join internal.touch_windows as windows using (channel)
    join core.contacts as contacts using (connection, contact_id)
    left join internal.journey_roots as roots using (connection, journey_id)
    where action in ('open', 'click')
),
touched as (
    select
        purchases.event_key,
        max_by(touches.touch, (touches.action = 'click', touches.occurred_at, touches.touch.event_key)) as last_touch,
        min_by(touches.touch, (touches.occurred_at, touches.touch.event_key)) as first_touch
    from purchases
    join touches
        on purchases.person_id = touches.person_id
        and purchases.occurred_at >= touches.occurred_at
        and purchases.occurred_at <= touches.until
    group by all
)
select
    purchases.event_key,
    purchases.connection,
    purchases.contact_id,
    purchases.person_id,
    purchases.email,
    purchases.occurred_at,
    purchases.occurred_on,
    timezone((select timezone from internal.report_timezone), purchases.occurred_at)::date as local_on,
    purchases.order_id,
    purchases.amount,
    purchases.currency,
    touched.last_touch.event_key as last_touch_event_key,
    touched.last_touch.connection as last_touch_connection,
    touched.last_touch.journey_root_id as last_touch_journey_root_id,
    touched.last_touch.journey_id as last_touch_journey_id,
    touched.last_touch.activity_id as last_touch_activity_id,
    (epoch_us(purchases.occurred_at) - epoch_us(touched.last_touch.at)) / 3600e6 as last_touch_hours,
    touched.first_touch.event_key as first_touch_event_key,
    touched.first_touch.connection as first_touch_connection,
    touched.first_touch.journey_root_id as first_touch_journey_root_id,
    touched.first_touch.journey_id as first_touch_journey_id,
    touched.first_touch.activity_id as first_touch_activity_id
from purchases
left join touched using (event_key)
