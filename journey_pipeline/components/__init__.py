"""Dagster Components: one for each vendor, one for the warehouse, one for Dagster's history, one for alerts.

Only here and in `definitions.py` is dagster imported.
"""

from journey_pipeline.components.alerts import JourneyAlerts
from journey_pipeline.components.apsis import ApsisExports
from journey_pipeline.components.insider import InsiderExports
from journey_pipeline.components.layerfive import LayerFiveCustomerJourneys
from journey_pipeline.components.run_history import JourneyRunHistory
from journey_pipeline.components.sfmc import SfmcJourneyHistory
from journey_pipeline.components.warehouse import JourneyWarehouse

__all__ = [
    "ApsisExports",
    "InsiderExports",
    "JourneyAlerts",
    "JourneyRunHistory",
    "JourneyWarehouse",
    "LayerFiveCustomerJourneys",
    "SfmcJourneyHistory",
]
