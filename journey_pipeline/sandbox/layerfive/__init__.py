"""LayerFive, simulated: customer journey details in all the shapes that they may have, mounted under `/layerfive`.

Not here: what happens in the world (`sandbox/world/visits.py`), faults on the wire that every vendor can have
(`sandbox/wire.py`, `sandbox/faults.py`).
"""

from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.simulator import LayerFiveSimulator

__all__ = ["LayerFiveOptions", "LayerFiveSimulator"]
