-- Where steps stand in the graph of their version; `step_places.py` computes it, because SQL can't cut loops.
-- Grain: one row per version of a journey and step that has a link, or is listed with its ways on.
-- Key: connection, journey_id, activity_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The version of the journey.
-- activity_id: The step.
-- step_rank: The longest way to it; a loop is cut where it closes. NULL for a step without any link.
-- is_end: Whether a passage is over there; NULL where the vendor does not list its ways on.
select
    places.connection,
    places.journey_id,
    places.activity_id,
    places.step_rank,
    places.is_end
from temp.step_places as places
-- Only so that it is made after these, and again when they change.
where (select count(*) from internal.step_links) + (select count(*) from internal.activities) >= 0
