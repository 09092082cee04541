"""The lists of APSIS One that become dimensions, each by the SQL beside this file, all of the same pages."""

from pathlib import Path

from journey_pipeline.recipe import DimensionRecipe

_HERE = Path(__file__).parent

JOURNEYS = DimensionRecipe.read(_HERE / "journeys.sql", "journey_id")
ACTIVITIES = DimensionRecipe.read(_HERE / "activities.sql", "activity_id")
SECTIONS = DimensionRecipe.read(_HERE / "sections.sql", "section_id")
EVENT_TYPES = DimensionRecipe.read(_HERE / "event_types.sql", "section", "type_id")
PROFILE_FIELDS = DimensionRecipe.read(_HERE / "profile_fields.sql", "section", "attribute_id")
TOPICS = DimensionRecipe.read(_HERE / "topics.sql", "section", "topic")
SEGMENTS = DimensionRecipe.read(_HERE / "segments.sql", "segment")
ALL = (JOURNEYS, ACTIVITIES, SECTIONS, EVENT_TYPES, PROFILE_FIELDS, TOPICS, SEGMENTS)
