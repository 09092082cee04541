"""The lists of Salesforce Marketing Cloud that become dimensions, each by the SQL beside this file."""

from pathlib import Path

from journey_pipeline.recipe import DimensionRecipe

_HERE = Path(__file__).parent

JOURNEYS = DimensionRecipe.read(_HERE / "journeys.sql", "journey_id")
ACTIVITIES = DimensionRecipe.read(_HERE / "activities.sql", "activity_id")
