"""The one world behind all simulated vendors: who is in which journey, and what happens to them when.

Not here: how a vendor tells it (`sandbox/sfmc/`), and the present, which a vendor brings along.
"""

from journey_pipeline.sandbox.world.catalog import Activity, Journey, Version
from journey_pipeline.sandbox.world.people import Person
from journey_pipeline.sandbox.world.world import Event, World

__all__ = ["Activity", "Event", "Journey", "Person", "Version", "World"]
