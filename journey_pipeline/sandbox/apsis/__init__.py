"""APSIS One, simulated: both asynchronous event exports and the account's definitions, mounted under `/apsis`.

Not here: what happens in the world (`sandbox/world/`), faults on the wire that every vendor can have
(`sandbox/wire.py`, `sandbox/faults.py`).
"""

from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.simulator import ApsisSimulator

__all__ = ["ApsisOptions", "ApsisSimulator"]
