"""The one world behind all simulated vendors: who is in which journey, who visits the shop, and when.

Not here: how a vendor tells it (`sandbox/sfmc/`, `sandbox/layerfive/`), and the present, which a vendor brings along.
"""

from journey_pipeline.sandbox.world.catalog import Activity, Journey, Version
from journey_pipeline.sandbox.world.people import Person
from journey_pipeline.sandbox.world.visits import Touchpoint
from journey_pipeline.sandbox.world.world import Event, World

__all__ = ["Activity", "Event", "Journey", "Person", "Touchpoint", "Version", "World"]
