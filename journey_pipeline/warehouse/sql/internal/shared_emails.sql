-- Addresses that are no person's own: more than five people of one connection have them.
-- Grain: one row per address of a connection.
-- Key: connection, email.
-- Made: as a whole.
--
-- connection: The configured account.
-- email: The address.
select
    connection,
    email
from internal.contact_emails
where email is not null
group by all
having count(*) > 5
