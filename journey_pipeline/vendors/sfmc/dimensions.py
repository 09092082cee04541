"""The dimensions that the journey list of Salesforce gives: versions of journeys, and their activities.

Not here: the route (`client.py`), how dimensions are kept (`lake/dimensions.py`).
"""

from __future__ import annotations

from importlib.resources import files

from journey_pipeline.model import DimensionRecipe

_FOLDER = files("journey_pipeline.vendors.sfmc")

JOURNEYS = DimensionRecipe("journeys", (_FOLDER / "journeys.sql").read_text(), ("journey_id",))
ACTIVITIES = DimensionRecipe("activities", (_FOLDER / "activities.sql").read_text(), ("activity_id",))
