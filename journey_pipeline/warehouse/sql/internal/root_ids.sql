-- The root of each journey; apart from journey_roots, whose names change without a need to make passages again.
-- Grain: one row per journey of a connection.
-- Key: connection, journey_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- journey_root_id: See core.journeys.
select
    connection,
    journey_id,
    journey_root_id
from core.journeys
