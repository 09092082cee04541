-- People of each day's events, so that who there is needs no look at all events.
-- Grain: one row per UTC day and person of a connection.
-- Key: occurred_on, connection, contact_id.
-- Made: by occurred_on, connection.
-- Number: person_number of connection, contact_id.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- contact_id: The vendor's key of the person.
-- email: The address in the latest event that has one, lower case.
-- email_at: When that event happened, UTC.
-- person_number: Hash of connection and contact_id.
with told as (
    select
        occurred_on,
        connection,
        contact_id,
        max({'at': occurred_at, 'email': lower(email)}) filter (email is not null) as latest
    from core.journey_events
    where contact_id is not null
    group by all
)

select
    occurred_on,
    connection,
    contact_id,
    latest.email as email,
    latest.at as email_at,
    hash(connection, contact_id) as person_number
from told
