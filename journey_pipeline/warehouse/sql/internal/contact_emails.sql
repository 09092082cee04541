-- People of events with their addresses; see core.contacts.
-- Grain: one row per person of a connection.
-- Key: connection, contact_id.
-- Made: by connection, contact_id.
-- Repeats: internal.contacts_by_day where came.email is null or (own.email_source = 'event' and own.email = came.email).
-- Number: person_number of connection, contact_id.
--
-- connection: The configured account.
-- contact_id: The vendor's key of the person.
-- email_source: See core.contacts.
-- email: See core.contacts.
-- person_number: Hash of connection and contact_id.
with told as (
    select
        connection,
        contact_id,
        max({'at': email_at, 'email': email}) filter (email is not null) as latest
    from internal.contacts_by_day
    group by all
)

select
    connection,
    contact_id,
    case
        when told.latest is not null then 'event'
        when regexp_full_match(contact_id, '[^@\s]+@[^@\s]+[.][^@\s]+') then 'id'
        when known.attribute_email is not null then 'attribute'
        when known.mapped_email is not null then 'file'
    end as email_source,
    case email_source
        when 'event' then told.latest.email
        when 'id' then lower(contact_id)
        when 'attribute' then known.attribute_email
        when 'file' then known.mapped_email
    end as email,
    hash(connection, contact_id) as person_number
from told
left join internal.known_emails as known using (connection, contact_id)
