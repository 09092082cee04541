-- Addresses of people that no event tells: from attributes, and from the files contacts/<connection>.csv.
-- Grain: one row per person of a connection.
-- Key: connection, contact_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- contact_id: The vendor's key of the person.
-- attribute_email: The latest value of the attribute that holds the address, lower case.
-- mapped_email: The address in the file, lower case.
with attributes as (
    select
        connection,
        profile_key as contact_id,
        max(lower(trim(value))) as attribute_email
    from core.profile_attributes
    where is_latest
        and contains(value, '@')
        and lower(split_part(coalesce(attribute, attribute_id), '.', -1)) = 'email'
    group by all
),

-- What stands there for no address, such as a dash, would make one person of several.
mapped as (
    select
        connection,
        trim(mapped_contacts.contact_id) as contact_id,
        max(lower(trim(email))) as mapped_email
    from internal.mapped_contacts
    where contains(email, '@')
    group by all
)

select
    connection,
    contact_id,
    attributes.attribute_email,
    mapped.mapped_email
from attributes
full join mapped using (connection, contact_id)
