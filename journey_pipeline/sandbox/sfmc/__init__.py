"""Salesforce Marketing Cloud, simulated: token, journey history and the journey list, mounted under `/sfmc`.

Not here: what happens in the world (`sandbox/world/`), faults on the wire that every vendor can have
(`sandbox/wire.py`, `sandbox/faults.py`).
"""

from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.simulator import SfmcSimulator

__all__ = ["SfmcOptions", "SfmcSimulator"]
