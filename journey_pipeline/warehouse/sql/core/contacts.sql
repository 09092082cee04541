-- The people of all events. A person has a row per connection; at APSIS two: one by profile key, one by address.
-- Grain: one row per person of a connection.
-- Key: connection, contact_id.
-- Made: a view.
--
-- connection: The configured account.
-- contact_id: The vendor's key of the person.
-- email: The address, lower case: of the latest event that has one, or else as email_source says. NULL if unknown.
-- email_source: event; id (contact_id is one); attribute; file (contacts/<connection>.csv). NULL without an address.
-- is_shared: Whether more than 5 people of the connection have this address, so that it is no one's own.
-- person_id: The same for one person at all vendors: a hash of the address, or else of connection and contact_id.
select
    contacts.connection,
    contacts.contact_id,
    contacts.email,
    contacts.email_source,
    shared.email is not null as is_shared,
    md5(
        case
            when contacts.email is not null and shared.email is null then contacts.email
            else concat(contacts.connection, '|', contacts.contact_id)
        end
    ) as person_id
from internal.contact_emails as contacts
left join internal.shared_emails as shared using (connection, email)
